"""The auditor's room: one file that checks a finished draw against the protocol `luxewin/draw/v1`, offline.

    python verifier.py bundle.json entries.csv [--pure] [--json]

It shares no code with the programme that held the draw and needs only Python 3.9 or newer. It is one file, longer
than files here may otherwise be, so that anyone can download it, read it from top to bottom and run it. Its sections
are numbered as in the protocol's text. `--pure` does without the faster BLS wheel `py_arkworks_bls12381` where it is
installed; the wheel only ever says yes sooner: whatever it does not accept is judged by the arithmetic in this file.

Exit code: 0 if every check holds, 1 if one fails, 2 on wrong usage, or if a file or the report cannot be read.
Cost: about 0.8 seconds for the signature in pure Python (5 ms by the wheel), then 7 microseconds and 60 bytes of
memory per entry.
"""
# ruff: noqa: T201 -- a command-line tool: printing is its purpose

from __future__ import annotations

import argparse
import binascii
import bisect
import hashlib
import importlib
import json
import os
import re
import struct
import sys
from array import array
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterable, NamedTuple  # noqa: UP035 -- runs on Python 3.9 too

PROTOCOL = "luxewin/draw/v1"
U64_MAX = 2**64 - 1
SAFE_INTEGER = 2**53 - 1  # RFC 8785 writes integers beyond this as rounded doubles
BUNDLE_BYTES_MAX = 16 * 1024 * 1024  # a hundred picks among a million entries are 0.3 MB


class Flaw(Exception):
    """A check does not hold; the text says why. Its text is plain ASCII, whatever the files hold."""


def shown(value: object) -> str:
    """`value` for people: escaped to ASCII (no terminal tricks) and cut to 100 characters."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 100 else text[:97] + "..."


# --------------------------------------------------------------------------------------------------------------------
# 0. Reading JSON strictly, and describing what it must look like
# --------------------------------------------------------------------------------------------------------------------


def parse_json(text: str) -> Any:
    """The value of one JSON document; Flaw for duplicate names, fractions, NaN, integers beyond 20 digits, lone
    surrogates and nesting deeper than Python can follow: two readers could take these in two ways."""

    def integer(digits: str) -> int:
        if len(digits) > 20 or str(int(digits)) != digits:
            raise Flaw(f"the number {shown(digits)} is too long or oddly written")
        return int(digits)

    def refused(literal: str) -> Any:
        raise Flaw(f"the number {shown(literal)} is not an integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            raise Flaw("an object names a field twice")
        return record

    try:
        value = json.loads(
            text, parse_int=integer, parse_float=refused, parse_constant=refused, object_pairs_hook=unique
        )
        json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    except ValueError as error:
        raise Flaw(f"not valid JSON: {shown(str(error))}") from None
    except RecursionError:
        raise Flaw("nested too deeply") from None
    return value


class Kind(NamedTuple):
    """A sort of value: what it is called and how it is recognised."""

    name: str
    fits: Callable[[Any], bool]


def text_like(name: str, pattern: str) -> Kind:
    return Kind(name, lambda value: type(value) is str and re.fullmatch(pattern, value, re.ASCII) is not None)


def integer_from(least: int) -> Kind:
    return Kind(f"an integer from {least}", lambda value: type(value) is int and least <= value <= U64_MAX)


def hex_of(size: int) -> Kind:
    return text_like(f"{size} bytes in lower-case hex", f"[0-9a-f]{{{2 * size}}}")


def is_utc_time(value: Any) -> bool:
    """RFC 3339 in UTC, and a moment that the calendar has."""
    form = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)"
    match = re.fullmatch(form, value, re.ASCII) if type(value) is str else None
    try:
        return match is not None and bool(datetime.fromisoformat(match.group(1)))
    except ValueError:
        return False


UUID = text_like("a lower-case UUID", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TEXT = Kind("a string", lambda value: type(value) is str)
SOME_TEXT = Kind("a string that is not empty", lambda value: type(value) is str and value.strip() != "")
BOOLEAN = Kind("true or false", lambda value: type(value) is bool)
ANYTHING = Kind("anything", lambda _: True)
COUNT, POSITIVE = integer_from(0), integer_from(1)
UTC_TIME = Kind("an RFC 3339 time in UTC", is_utc_time)
ADDRESS = text_like("a 20-byte address", "(0x)?[0-9a-fA-F]{40}")
TRANSACTION = text_like("a 32-byte transaction hash", "(0x)?[0-9a-fA-F]{64}")
PRICE_TEXT = text_like("a decimal price", r"(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?")
PRICE = Kind("a price: a decimal string or an integer", lambda value: PRICE_TEXT.fits(value) or COUNT.fits(value))


class OrNull(NamedTuple):
    """The value may be null instead."""

    shape: Any


def conform(value: Any, shape: Any, where: str) -> None:
    """Flaw unless `value` has exactly this shape: a dict is an object with these fields, a list an array of such."""
    if isinstance(shape, Kind):
        if not shape.fits(value):
            raise Flaw(f"{where}: expected {shape.name}, found {shown(value)}")
    elif isinstance(shape, OrNull):
        if value is not None:
            conform(value, shape.shape, where)
    elif isinstance(shape, list):
        if type(value) is not list:
            raise Flaw(f"{where}: expected an array, found {shown(value)}")
        for number, item in enumerate(value):
            conform(item, shape[0], f"{where}[{number}]")
    else:
        conform_object(value, shape, where)


def conform_object(value: Any, shape: dict, where: str) -> None:
    if type(value) is not dict:
        raise Flaw(f"{where}: expected an object, found {shown(value)}")
    if value.keys() != shape.keys():
        missing, unknown = sorted(shape.keys() - value.keys()), sorted(value.keys() - shape.keys())
        raise Flaw(f"{where}: missing fields {shown(missing)}, unknown fields {shown(unknown)}")
    for name, inner in shape.items():
        conform(value[name], inner, f"{where}.{name}")


def same(found: object, expected: object, what: str) -> None:
    """Flaw unless the two are equal and of one type (in Python, True == 1)."""
    if type(found) is not type(expected) or found != expected:
        raise Flaw(f"{what} is {shown(found)}, expected {shown(expected)}")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


# --------------------------------------------------------------------------------------------------------------------
# 1. Manifest
# --------------------------------------------------------------------------------------------------------------------

PROMISED_BEACON = {
    "chain_hash": hex_of(32),
    "public_key": hex_of(96),
    "genesis_time": COUNT,
    "period": POSITIVE,
    "scheme": TEXT,
}

MANIFEST = {
    "protocol": TEXT,
    "raffle": UUID,
    "title": SOME_TEXT,
    "prizes": [{"position": POSITIVE, "name": SOME_TEXT}],
    "alternates": COUNT,
    "ticket_price": PRICE,
    "currency": SOME_TEXT,
    "capacity": POSITIVE,
    "max_per_person": POSITIVE,
    "min_tickets": COUNT,
    "opens_at": UTC_TIME,
    "closes_at": UTC_TIME,
    "delay_seconds": COUNT,
    "beacon": PROMISED_BEACON,
    "sequence": COUNT,
}


def canonical(value: Any) -> str:
    """RFC 8785 for what a manifest holds: strings, integers, arrays and objects; Flaw for anything else."""
    if type(value) is str:
        return json.dumps(value, ensure_ascii=False)  # the same escapes as RFC 8785, section 3.2.2.2
    if type(value) is int:
        if abs(value) > SAFE_INTEGER:
            raise Flaw(f"the integer {value} is beyond 2^53 - 1, where RFC 8785 rounds")
        return str(value)
    if type(value) is list:
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if type(value) is dict:
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    raise Flaw(f"a manifest holds strings, integers, arrays and objects, but here is {shown(value)}")


def check_protocol(bundle: dict) -> tuple[bool, str]:
    same(bundle["protocol"], PROTOCOL, "the bundle's protocol")
    return True, PROTOCOL


def read_manifest(bundle: dict) -> tuple[Any, str]:
    manifest = parse_json(bundle["manifest"])
    if type(manifest) is not dict:
        raise Flaw("the manifest is not a JSON object")
    return manifest, f"{len(bundle['manifest'].encode())} bytes"


def check_canonical(bundle: dict, manifest: dict) -> tuple[bool, str]:
    expected, found = canonical(manifest), bundle["manifest"]
    if expected != found:
        place = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))  # noqa: B905 -- Python 3.9
        raise Flaw(f"not in RFC 8785 form from character {place} on")
    return True, "RFC 8785"


def check_manifest_hash(bundle: dict) -> tuple[bool, str]:
    same(bundle["manifest_hash"], sha256(bundle["manifest"].encode()).hex(), "manifest_hash")
    return True, bundle["manifest_hash"]


def check_manifest_content(manifest: dict) -> tuple[dict, str]:
    conform(manifest, MANIFEST, "manifest")
    same(manifest["protocol"], PROTOCOL, "manifest.protocol")
    if not manifest["prizes"]:
        raise Flaw("manifest.prizes is empty")
    for number, prize in enumerate(manifest["prizes"], start=1):
        same(prize["position"], number, f"the position of prize {number}")
    return (
        manifest,
        f"{len(manifest['prizes'])} prizes, {manifest['alternates']} alternates, draw number {manifest['sequence']}",
    )


def check_raffle(bundle: dict, promise: dict) -> tuple[bool, str]:
    same(bundle["raffle"], promise["raffle"], "the bundle's raffle")
    return True, bundle["raffle"]


def check_promised_beacon(bundle: dict, promise: dict) -> tuple[bool, str]:
    for name in PROMISED_BEACON:
        same(bundle["beacon"][name], promise["beacon"][name], f"beacon.{name}")
    return True, "the bundle's beacon is the manifest's"


# --------------------------------------------------------------------------------------------------------------------
# 2. Entries, and 3. the Merkle sum tree over them, built while the file is read
# --------------------------------------------------------------------------------------------------------------------

HEADER = b"entry_id,first_ticket,count"
ROW = re.compile(
    rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}),([1-9][0-9]{0,19}),([1-9][0-9]{0,19})(?:\r?\n)?"
)
LINE_BYTES_MAX = 128  # the longest row has 80
RECORD = struct.Struct(">16sQQ")  # entry_id, first_ticket, count: the bytes that a leaf hashes after its 0x00


@dataclass
class Entries:
    """The entries file: one 32-byte record per row, the tickets before each, and the tree's right edge."""

    records: bytearray = field(default_factory=bytearray)
    tickets_before: array = field(default_factory=lambda: array("Q"))
    # Roots of the complete subtrees so far, largest first; each is u64(sum) and hash, 40 bytes, as a node hashes them.
    subtrees: list[bytes] = field(default_factory=list)
    tickets: int = 0
    largest_count: int = 0
    order_flaw: str = ""

    def __len__(self) -> int:
        return len(self.tickets_before)

    def add(self, entry_id: bytes, first_ticket: int, count: int) -> None:
        record = RECORD.pack(entry_id, first_ticket, count)
        self.records += record
        self.tickets_before.append(self.tickets)
        self.tickets += count
        self.largest_count = max(self.largest_count, count)
        last, whole = record[24:] + sha256(b"\x00" + record), len(self.tickets_before)
        while whole % 2 == 0:  # two equal subtrees stand at the end: they become one
            last = node(self.subtrees.pop(), last)
            whole //= 2
        self.subtrees.append(last)

    def root(self) -> bytes:
        """The root's u64(sum) and hash. Folding from the right gives RFC 9162's shape."""
        last = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            last = node(left, last)
        return last

    def holding(self, index: int) -> tuple[int, str, int, int]:
        """Tickets before, entry_id, first_ticket and count of the entry in which a 0-based index lies."""
        place = bisect.bisect_right(self.tickets_before, index) - 1
        raw, first_ticket, count = RECORD.unpack_from(self.records, place * RECORD.size)
        return self.tickets_before[place], uuid_text(raw), first_ticket, count


def uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def node(left: bytes, right: bytes) -> bytes:
    """The 40 bytes of the node over two nodes' 40 bytes; Flaw if the sum leaves 64 bits."""
    total = int.from_bytes(left[:8], "big") + int.from_bytes(right[:8], "big")
    if total > U64_MAX:
        raise Flaw("a sum of tickets leaves 64 bits")
    return u64(total) + sha256(b"\x01" + left + right)


def read_entries(file: BinaryIO) -> tuple[Entries, str]:
    """Every row, line by line. Flaw at the first line that is not one; order is judged by another check."""
    header = file.readline(LINE_BYTES_MAX)
    if header not in (HEADER + b"\n", HEADER + b"\r\n"):
        raise Flaw(f"line 1 is {shown(header)}, expected the header {HEADER.decode()}")
    entries, last_ticket = Entries(), 0
    for number, line in enumerate(iter(partial(file.readline, LINE_BYTES_MAX), b""), start=2):
        row = ROW.fullmatch(line)
        if row is None:
            raise Flaw(f"line {number} is not a row of lower-case UUID, first ticket, count: {shown(line)}")
        entry_id, first_ticket, count = row[1].replace(b"-", b""), int(row[2]), int(row[3])
        if first_ticket + count > U64_MAX or entries.tickets + count > U64_MAX:
            raise Flaw(f"line {number}: ticket numbers leave 64 bits")
        if first_ticket <= last_ticket and not entries.order_flaw:
            entries.order_flaw = (
                f"line {number} begins at ticket {first_ticket}, the rows before reach to {last_ticket}"
            )
        last_ticket = first_ticket + count - 1
        entries.add(binascii.unhexlify(entry_id), first_ticket, count)
    if not len(entries):
        raise Flaw("no entries: there was nothing to draw from")
    return entries, f"{len(entries)} rows"


def check_order(entries: Entries) -> tuple[bool, str]:
    if entries.order_flaw:
        raise Flaw(entries.order_flaw)
    return True, "ordered by first ticket, none overlap"


def check_unique(entries: Entries) -> tuple[bool, str]:
    buckets = [bytearray() for _ in range(256)]  # one set at a time keeps the memory flat
    records, size = entries.records, RECORD.size
    for start in range(0, len(records), size):
        buckets[records[start]] += records[start : start + 16]
    for bucket in buckets:
        seen = set()
        for start in range(0, len(bucket), 16):
            entry_id = bytes(bucket[start : start + 16])
            if entry_id in seen:
                raise Flaw(f"entry {uuid_text(entry_id)} is listed twice")
            seen.add(entry_id)
    return True, "no entry_id twice"


def check_limits(entries: Entries, promise: dict) -> tuple[bool, str]:
    if entries.tickets > promise["capacity"]:
        raise Flaw(f"{entries.tickets} tickets, but the manifest's capacity is {promise['capacity']}")
    if entries.largest_count > promise["max_per_person"]:
        raise Flaw(f"an entry of {entries.largest_count} tickets, but max_per_person is {promise['max_per_person']}")
    return True, f"{entries.tickets} of {promise['capacity']} tickets"


def check_root(bundle: dict, entries: Entries) -> tuple[bool, str]:
    same(bundle["entries"]["root"], entries.root()[8:].hex(), "entries.root")
    return True, bundle["entries"]["root"]


def check_tickets(bundle: dict, entries: Entries) -> tuple[bool, str]:
    same(bundle["entries"]["tickets"], entries.tickets, "entries.tickets")
    return True, f"N = {entries.tickets}"


def check_count(bundle: dict, entries: Entries) -> tuple[bool, str]:
    same(bundle["entries"]["count"], len(entries), "entries.count")
    return True, f"{len(entries)} entries"


def climb(pick: dict) -> tuple[bytes, int]:
    """The root (40 bytes) that a pick's path leads to, and the tickets before its entry."""
    entry_id = bytes.fromhex(pick["entry_id"].replace("-", ""))
    reached = u64(pick["count"]) + sha256(b"\x00" + RECORD.pack(entry_id, pick["first_ticket"], pick["count"]))
    before = 0
    for step in pick["path"]:
        sibling = u64(step["sum"]) + bytes.fromhex(step["hash"])
        if step["side"] == "left":
            reached, before = node(sibling, reached), before + step["sum"]
        else:
            reached = node(reached, sibling)
    return reached, before


# --------------------------------------------------------------------------------------------------------------------
# 4. Beacon: the curve BLS12-381, in pure Python
#
# Everything is plain and slow on purpose (affine points, school-book multiplication, one whole final exponentiation).
# All inputs are public, so nothing here has to run in constant time.
# --------------------------------------------------------------------------------------------------------------------

X = 0xD201000000010000  # the curve's parameter is -X
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
R = X**4 - X**2 + 1  # the order of G1, G2 and the pairing's values

# 4.1 Fields. Fp2 = Fp[u] / (u^2 + 1), an element is (a, b) = a + b*u. Points of both groups have coordinates in Fp2;
# those of G1 have b = 0.

Fp2 = tuple  # of two integers below P
Point = tuple  # of two Fp2: x and y; None is the point at infinity


def f2_add(s: Fp2, t: Fp2) -> Fp2:
    return (s[0] + t[0]) % P, (s[1] + t[1]) % P


def f2_sub(s: Fp2, t: Fp2) -> Fp2:
    return (s[0] - t[0]) % P, (s[1] - t[1]) % P


def f2_mul(s: Fp2, t: Fp2) -> Fp2:
    return (s[0] * t[0] - s[1] * t[1]) % P, (s[0] * t[1] + s[1] * t[0]) % P


def f2_div(s: Fp2, t: Fp2) -> Fp2:
    inverse_norm = pow(t[0] * t[0] + t[1] * t[1], -1, P)
    return f2_mul(s, (t[0] * inverse_norm % P, -t[1] * inverse_norm % P))


def fp_sqrt(a: int) -> int | None:
    root = pow(a, (P + 1) // 4, P)
    return root if root * root % P == a % P else None


def f2_sqrt(s: Fp2) -> Fp2 | None:
    """A square root, or None: from (c + d*u)^2 = s follows c^2 = (a +- sqrt(a^2 + b^2)) / 2 and d = b / 2c."""
    a, b = s
    if b == 0:
        real = fp_sqrt(a)
        return (real, 0) if real is not None else (0, fp_sqrt(-a))  # -1 is no square: one of a, -a is
    norm = fp_sqrt(a * a + b * b)
    if norm is None:
        return None
    half = (P + 1) // 2
    c = fp_sqrt((a + norm) * half)
    if c is None:
        c = fp_sqrt((a - norm) * half)
    return None if c is None else (c, b * pow(2 * c, -1, P) % P)


# Fp12 = Fp[w] / (w^12 - 2*w^6 + 2), an element is its 12 coefficients. w^6 = 1 + u, so u = w^6 - 1.

ONE = [1] + 11 * [0]


def f12_mul(s: list[int], t: list[int]) -> list[int]:
    product = 23 * [0]
    for i, a in enumerate(s):
        if a:
            for j, b in enumerate(t):
                product[i + j] += a * b
    for k in range(22, 11, -1):  # w^12 = 2*w^6 - 2
        product[k - 6] += 2 * product[k]
        product[k - 12] -= 2 * product[k]
    return [c % P for c in product[:12]]


def f12_pow(s: list[int], exponent: int) -> list[int]:
    power = ONE
    for bit in f"{exponent:b}":
        power = f12_mul(power, power)
        if bit == "1":
            power = f12_mul(power, s)
    return power


# 4.2 Groups. G1 lies on y^2 = x^3 + 4, G2 on its twist y^2 = x^3 + 4*(1 + u).

B1, B2 = (4, 0), (4, 4)


def slope(p: Point, q: Point) -> Fp2:
    """Of the line through p and q, the tangent if they are equal; they are not each other's negative."""
    if p == q:
        square = f2_mul(p[0], p[0])
        return f2_div((3 * square[0], 3 * square[1]), f2_add(p[1], p[1]))
    return f2_div(f2_sub(q[1], p[1]), f2_sub(q[0], p[0]))


def third(p: Point, q: Point, m: Fp2) -> Point:
    """p + q, given the slope of the line through them."""
    x = f2_sub(f2_sub(f2_mul(m, m), p[0]), q[0])
    return x, f2_sub(f2_mul(m, f2_sub(p[0], x)), p[1])


def negative(p: Point) -> Point:
    return p[0], (-p[1][0] % P, -p[1][1] % P)


def add(p: Point | None, q: Point | None) -> Point | None:
    if p is None or q is None:
        return q if p is None else p
    if q == negative(p):
        return None
    return third(p, q, slope(p, q))


def times(p: Point | None, number: int) -> Point | None:
    total = None
    for bit in f"{number:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, p)
    return total


def check_encoding(data: bytes) -> None:
    """Flaw unless this is the one compressed form of a point that is not at infinity, judging by its flags and size."""
    if not data[0] & 0x80 or data[0] & 0x40:
        raise Flaw("not the compressed form of a point, or the point at infinity")
    halves = [data[start : start + 48] for start in range(0, len(data), 48)]
    halves[0] = bytes([halves[0][0] & 0x1F]) + halves[0][1:]  # without the three flags
    if any(int.from_bytes(half, "big") >= P for half in halves):
        raise Flaw("a coordinate is not below the field's prime")


def decompress(data: bytes) -> Point:
    """A point of G1 (48 bytes) or G2 (96 bytes: the coordinate's u part first); Flaw unless it is in the group."""
    check_encoding(data)
    high = int.from_bytes(data[:48], "big") % 2**381
    x = (high, 0) if len(data) == 48 else (int.from_bytes(data[48:], "big"), high)
    y = f2_sqrt(f2_add(f2_mul(f2_mul(x, x), x), B1 if len(data) == 48 else B2))
    if y is None or (len(data) == 48 and y[1] != 0):
        raise Flaw("not a point of the curve")
    larger = (y[1] or y[0]) > P // 2  # than its negative, the u part compared first
    point = (x, y)
    if larger != bool(data[0] & 0x20):
        point = negative(point)
    if times(point, R) is not None:
        raise Flaw("not a point of the group of prime order")
    return point


G2 = (
    (
        0x24AA2B2F08F0A91260805272DC51051C6E47AD4FA403B02B4510B647AE3D1770BAC0326A805BBEFD48056C8C121BDB8,
        0x13E02B6052719F607DACD3A088274F65596BD0D09920B61AB5DA61BBDC7F5049334CF11213945D57E5AC7D055D042B7E,
    ),
    (
        0xCE5D527727D6E118CC9CDC6DA2E351AADFD9BAA8CBDD3A76D429A695160D12C923AC9CC3BACA289E193548608B82801,
        0x606C4A02EA734CC32ACD2B02BC28B99CB3E287E85A763AF267492AB572E99AB3F370D275CEC1DA1AAA9075FF05F79BE,
    ),
)

# 4.3 Pairing: the ate pairing's Miller loop over X. The curve's parameter is negative, which would only invert the
# result, so it does not matter to the question whether a product of pairings is one.


def line(t: Point, m: Fp2, p: Point) -> list[int]:
    """The line through t of slope m, at p of G1. Untwisting (x, y) to (x/w^2, y/w^3) and multiplying by w^3 gives
    y_p*w^3 - m*x_p*w^2 + (m*x_t - y_t); the final exponentiation takes the factor w^3 away."""
    c = f2_sub(f2_mul(m, t[0]), t[1])
    x, y = p[0][0], p[1][0]
    # a + b*u = (a - b) + b*w^6
    return [c[0] - c[1], 0, (m[1] - m[0]) * x % P, y, 0, 0, c[1], 0, -m[1] * x % P, 0, 0, 0]


def pairings_cancel(pairs: list[tuple[Point, Point]]) -> bool:
    """Is the product of e(p, q) over these points p of G1 and q of G2, none at infinity, equal to one?"""
    value, walkers = ONE, [q for _, q in pairs]
    for bit in f"{X:b}"[1:]:
        value = f12_mul(value, value)
        for n, (p, q) in enumerate(pairs):
            for other in (walkers[n], q) if bit == "1" else (walkers[n],):
                m = slope(walkers[n], other)
                value = f12_mul(line(walkers[n], m, p), value)
                walkers[n] = third(walkers[n], other, m)
    return f12_pow(value, (P**12 - 1) // R) == ONE


# 4.4 Hashing to G1: RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_

DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
ISO_A = 0x144698A3B8E9433D693A02C96D4982B0EA985383EE66A8D8E8981AEFD881AC98936F8DA0E0F97F5CF428082D584C1D
ISO_B = 0x12E2908D11688030018B12E8753EEE3B2016C1F0F24F4070A0B9C14FCEF35EF55A23215A316CEAA5D1CC48E98E172BE0
Z = 11
# The 11-isogeny map of RFC 9380, appendix E.2: coefficients of four polynomials in hex, constant terms first.
ISOGENY = (
    # X numerator, degree 11: the constant term first
    """
    11a05f2b1e833340b809101dd99815856b303e88a2d7005ff2627b56cdb4e2c85610c2d5f2e62d6eaeac1662734649b7
    17294ed3e943ab2f0588bab22147a81c7c17e75b2f6a8417f565e33c70d1e86b4838f2a6f318c356e834eef1b3cb83bb
    d54005db97678ec1d1048c5d10a9a1bce032473295983e56878e501ec68e25c958c3e3d2a09729fe0179f9dac9edcb0
    1778e7166fcc6db74e0609d307e55412d7f5e4656a8dbf25f1b33289f1b330835336e25ce3107193c5b388641d9b6861
    e99726a3199f4436642b4b3e4118e5499db995a1257fb3f086eeb65982fac18985a286f301e77c451154ce9ac8895d9
    1630c3250d7313ff01d1201bf7a74ab5db3cb17dd952799b9ed3ab9097e68f90a0870d2dcae73d19cd13c1c66f652983
    d6ed6553fe44d296a3726c38ae652bfb11586264f0f8ce19008e218f9c86b2a8da25128c1052ecaddd7f225a139ed84
    17b81e7701abdbe2e8743884d1117e53356de5ab275b4db1a682c62ef0f2753339b7c8f8c8f475af9ccb5618e3f0c88e
    80d3cf1f9a78fc47b90b33563be990dc43b756ce79f5574a2c596c928c5d1de4fa295f296b74e956d71986a8497e317
    169b1f8e1bcfa7c42e0c37515d138f22dd2ecb803a0c5c99676314baf4bb1b7fa3190b2edc0327797f241067be390c9e
    10321da079ce07e272d8ec09d2565b0dfa7dccdde6787f96d50af36003b14866f69b771f8c285decca67df3f1605fb7b
    6e08c248e260e70bd1e962381edee3d31d79d7e22c837bc23c0bf1bc24c6b68c24b1b80b64d391fa9c8ba2e8ba2d229
    """,
    # X denominator, degree 10 (monic): the constant term first
    """
    8ca8d548cff19ae18b2e62f4bd3fa6f01d5ef4ba35b48ba9c9588617fc8ac62b558d681be343df8993cf9fa40d21b1c
    12561a5deb559c4348b4711298e536367041e8ca0cf0800c0126c2588c48bf5713daa8846cb026e9e5c8276ec82b3bff
    b2962fe57a3225e8137e629bff2991f6f89416f5a718cd1fca64e00b11aceacd6a3d0967c94fedcfcc239ba5cb83e19
    3425581a58ae2fec83aafef7c40eb545b08243f16b1655154cca8abc28d6fd04976d5243eecf5c4130de8938dc62cd8
    13a8e162022914a80a6f1d5f43e7a07dffdfc759a12062bb8d6b44e833b306da9bd29ba81f35781d539d395b3532a21e
    e7355f8e4e667b955390f7f0506c6e9395735e9ce9cad4d0a43bcef24b8982f7400d24bc4228f11c02df9a29f6304a5
    772caacf16936190f3e0c63e0596721570f5799af53a1894e2e073062aede9cea73b3538f0de06cec2574496ee84a3a
    14a7ac2a9d64a8b230b3f5b074cf01996e7f63c21bca68a81996e1cdf9822c580fa5b9489d11e2d311f7d99bbdcc5a5e
    a10ecf6ada54f825e920b3dafc7a3cce07f8d1d7161366b74100da67f39883503826692abba43704776ec3a79a1d641
    95fc13ab9e92ad4476d6e3eb3a56680f682b4ee96f7d03776df533978f31c1593174e4b4b7865002d6384d168ecdd0a
    1
    """,
    # Y numerator, degree 15: the constant term first
    """
    90d97c81ba24ee0259d1f094980dcfa11ad138e48a869522b52af6c956543d3cd0c7aee9b3ba3c2be9845719707bb33
    134996a104ee5811d51036d776fb46831223e96c254f383d0f906343eb67ad34d6c56711962fa8bfe097e75a2e41c696
    cc786baa966e66f4a384c86a3b49942552e2d658a31ce2c344be4b91400da7d26d521628b00523b8dfe240c72de1f6
    1f86376e8981c217898751ad8746757d42aa7b90eeb791c09e4a3ec03251cf9de405aba9ec61deca6355c77b0e5f4cb
    8cc03fdefe0ff135caf4fe2a21529c4195536fbe3ce50b879833fd221351adc2ee7f8dc099040a841b6daecf2e8fedb
    16603fca40634b6a2211e11db8f0a6a074a7d0d4afadb7bd76505c3d3ad5544e203f6326c95a807299b23ab13633a5f0
    4ab0b9bcfac1bbcb2c977d027796b3ce75bb8ca2be184cb5231413c4d634f3747a87ac2460f415ec961f8855fe9d6f2
    987c8d5333ab86fde9926bd2ca6c674170a05bfe3bdd81ffd038da6c26c842642f64550fedfe935a15e4ca31870fb29
    9fc4018bd96684be88c9e221e4da1bb8f3abd16679dc26c1e8b6e6a1f20cabe69d65201c78607a360370e577bdba587
    e1bba7a1186bdb5223abde7ada14a23c42a0ca7915af6fe06985e7ed1e4d43b9b3f7055dd4eba6f2bafaaebca731c30
    19713e47937cd1be0dfd0b8f1d43fb93cd2fcbcb6caf493fd1183e416389e61031bf3a5cce3fbafce813711ad011c132
    18b46a908f36f6deb918c143fed2edcc523559b8aaf0c2462e6bfe7f911f643249d9cdf41b44d606ce07c8a4d0074d8e
    b182cac101b9399d155096004f53f447aa7b12a3426b08ec02710e807b4633f06c851c1919211f20d4c04f00b971ef8
    245a394ad1eca9b72fc00ae7be315dc757b3b080d4c158013e6632d3c40659cc6cf90ad1c232a6442d9d3f5db980133
    5c129645e44cf1102a159f748c4a3fc5e673d81d7e86568d9ab0f5d396a7ce46ba1049b6579afb7866b1e715475224b
    15e6be4e990f03ce4ea50b3b42df2eb5cb181d8f84965a3957add4fa95af01b2b665027efec01c7704b456be69c8b604
    """,
    # Y denominator, degree 15 (monic): the constant term first
    """
    16112c4c3a9c98b252181140fad0eae9601a6de578980be6eec3232b5be72e7a07f3688ef60c206d01479253b03663c1
    1962d75c2381201e1a0cbd6c43c348b885c84ff731c4d59ca4a10356f453e01f78a4260763529e3532f6102c2e49a03d
    58df3306640da276faaae7d6e8eb15778c4855551ae7f310c35a5dd279cd2eca6757cd636f96f891e2538b53dbf67f2
    16b7d288798e5395f20d23bf89edb4d1d115c5dbddbcd30e123da489e726af41727364f2c28297ada8d26d98445f5416
    be0e079545f43e4b00cc912f8228ddcc6d19c9f0f69bbb0542eda0fc9dec916a20b15dc0fd2ededda39142311a5001d
    8d9e5297186db2d9fb266eaac783182b70152c65550d881c5ecd87b6f0f5a6449f38db9dfa9cce202c6477faaf9b7ac
    166007c08a99db2fc3ba8734ace9824b5eecfdfa8d0cf8ef5dd365bc400a0051d5fa9c01a58b1fb93d1a1399126a775c
    16a3ef08be3ea7ea03bcddfabba6ff6ee5a4375efa1f4fd7feb34fd206357132b920f5b00801dee460ee415a15812ed9
    1866c8ed336c61231a1be54fd1d74cc4f9fb0ce4c6af5920abc5750c4bf39b4852cfe2f7bb9248836b233d9d55535d4a
    167a55cda70a6e1cea820597d94a84903216f763e13d87bb5308592e7ea7d4fbc7385ea3d529b35e346ef48bb8913f55
    4d2f259eea405bd48f010a01ad2911d9c6dd039bb61a6290e591b36e636a5c871a5c29f4f83060400f8b49cba8f6aa8
    accbb67481d033ff5852c1e48c50c477f94ff8aefce42d28c0f9a88cea7913516f968986f7ebbea9684b529e2561092
    ad6b9514c767fe3c3613144b45f1496543346d98adf02267d5ceef9a00d9b8693000763e3b90ac11e99b138573345cc
    2660400eb2e4f3b628bdd0d53cd76f2bf565b94e72927c1cb748df27942480e420517bd8714cc80d1fadc1326ed06f7
    e0fa1d816ddc03e6b24255e0d7819c171c40f65e273b853324efcd6356caa205ca2f570f13497804415473a1d634b8f
    1
    """,
)
X_NUM, X_DEN, Y_NUM, Y_DEN = ([int(k, 16) for k in text.split()] for text in ISOGENY)


def expand_message(message: bytes, dst: bytes, size: int) -> bytes:
    """RFC 9380, section 5.3.1, with SHA-256 (32-byte digests, 64-byte blocks)."""
    dst_prime = dst + bytes([len(dst)])
    start = sha256(bytes(64) + message + size.to_bytes(2, "big") + b"\x00" + dst_prime)
    block = sha256(start + b"\x01" + dst_prime)
    output = block
    for number in range(2, size // 32 + 1):
        block = sha256(bytes(a ^ b for a, b in zip(start, block)) + bytes([number]) + dst_prime)  # noqa: B905 -- Python 3.9
        output += block
    return output


def map_to_curve(u: int) -> Point | None:
    """Simplified SWU (section 6.6.2) to the isogenous curve, then the isogeny (appendix E.2)."""
    t = (Z * Z * pow(u, 4, P) + Z * u * u) % P
    x = ISO_B * pow(Z * ISO_A, -1, P) % P if t == 0 else -ISO_B * pow(ISO_A, -1, P) * (1 + pow(t, -1, P)) % P
    y = fp_sqrt(pow(x, 3, P) + ISO_A * x + ISO_B)
    if y is None:
        x = Z * u * u * x % P
        y = fp_sqrt(pow(x, 3, P) + ISO_A * x + ISO_B) or 0  # if the first has no root, this one has
    if u % 2 != y % 2:
        y = -y % P
    x_num, x_den, y_num, y_den = (at(polynomial, x) for polynomial in (X_NUM, X_DEN, Y_NUM, Y_DEN))
    if x_den * y_den == 0:
        return None
    return (x_num * pow(x_den, -1, P) % P, 0), (y * y_num * pow(y_den, -1, P) % P, 0)


def at(polynomial: list[int], x: int) -> int:
    total = 0
    for coefficient in reversed(polynomial):
        total = (total * x + coefficient) % P
    return total


def hash_to_g1(message: bytes, dst: bytes = DST) -> Point:
    stretched = expand_message(message, dst, 128)
    u0, u1 = (int.from_bytes(stretched[n : n + 64], "big") % P for n in (0, 64))
    point = times(add(map_to_curve(u0), map_to_curve(u1)), X + 1)  # X + 1 clears the cofactor
    if point is None:  # one chance in 2^255
        raise Flaw("the message hashes to the point at infinity")
    return point


# 4.5 The round and its signature

SCHEME = "bls-unchained-g1-rfc9380"
QUICKNET = {
    "chain_hash": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "public_key": "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510"
    "d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    "genesis_time": 1692803367,
    "period": 3,
}


def check_round(bundle: dict, promise: dict) -> tuple[bool, str]:
    beacon = bundle["beacon"]
    due = bundle["commitment"]["committed_at"] + promise["delay_seconds"]
    expected = max(0, -((beacon["genesis_time"] - due) // beacon["period"])) + 1  # the quotient is rounded up
    same(beacon["round"], expected, "beacon.round")
    return True, f"round {expected} is the first at or after {due}"


def check_chain(bundle: dict) -> tuple[bool, str]:
    """Is this the public chain that it seems to be? (The chain hash covers a value that no bundle holds.)"""
    matches = [name for name, value in QUICKNET.items() if bundle["beacon"][name] == value]
    if len(matches) == len(QUICKNET):
        return True, "this is drand quicknet"
    if "chain_hash" in matches or "public_key" in matches:
        raise Flaw(f"only {', '.join(matches)} as in drand quicknet: it passes itself off as what it is not")
    return True, "this is NOT a public drand chain: a development beacon?"


def wheel_accepts(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Does the wheel, where installed, accept the signature? False also means that it cannot say."""
    try:
        wheel = importlib.import_module("py_arkworks_bls12381")
        check_encoding(public_key)
        check_encoding(signature)
        key = wheel.G2Point.from_compressed_bytes(public_key)
        point = wheel.G1Point.from_compressed_bytes(signature)
        hashed = wheel.G1Point.hash_to_curve(message, DST)
        minus_g2 = -wheel.G2Point()
        in_groups = key.is_in_subgroup() and point.is_in_subgroup()
        return bool(in_groups and wheel.GT.pairing_check([point, hashed], [minus_g2, key]))
    except Exception:  # noqa: BLE001 -- whatever goes wrong there, the arithmetic above decides
        return False


def check_signature(bundle: dict, pure: bool) -> tuple[bool, str]:
    beacon = bundle["beacon"]
    same(beacon["scheme"], SCHEME, "beacon.scheme")
    message = sha256(u64(beacon["round"]))
    public_key, signature = bytes.fromhex(beacon["public_key"]), bytes.fromhex(beacon["signature"])
    if not pure and wheel_accepts(public_key, message, signature):
        return True, f"BLS signature of round {beacon['round']} (by the wheel py_arkworks_bls12381)"
    points = {}
    for name, data in (("public_key", public_key), ("signature", signature)):
        try:
            points[name] = decompress(data)
        except Flaw as flaw:
            raise Flaw(f"beacon.{name}: {flaw}") from None
    if not pairings_cancel([(points["signature"], negative(G2)), (hash_to_g1(message), points["public_key"])]):
        raise Flaw(f"the signature is not the public key's signature of round {beacon['round']}")
    return True, f"BLS signature of round {beacon['round']} (in pure Python)"


def check_randomness(bundle: dict) -> tuple[bool, str]:
    expected = sha256(bytes.fromhex(bundle["beacon"]["signature"])).hex()
    same(bundle["beacon"]["randomness"], expected, "beacon.randomness")
    return True, expected


# --------------------------------------------------------------------------------------------------------------------
# 5. Seed
# --------------------------------------------------------------------------------------------------------------------


def draw_seed(bundle: dict, entries: Entries) -> bytes:
    """Computed from the first facts (manifest, entries file, signature), not from the bundle's sums of them."""
    beacon = bundle["beacon"]
    return sha256(
        PROTOCOL.encode()
        + bytes.fromhex(beacon["chain_hash"])
        + u64(beacon["round"])
        + sha256(bytes.fromhex(beacon["signature"]))
        + sha256(bundle["manifest"].encode())
        + entries.root()[8:]
        + u64(entries.tickets)
    )


def check_seed(bundle: dict, entries: Entries) -> tuple[bool, str]:
    same(bundle["seed"], draw_seed(bundle, entries).hex(), "seed")
    return True, bundle["seed"]


# --------------------------------------------------------------------------------------------------------------------
# 6. Picks
# --------------------------------------------------------------------------------------------------------------------


def picked_indices(seed: bytes, tickets: int, wanted: int) -> list[int]:
    """The first `min(tickets, wanted)` distinct indices, in the order drawn."""
    limit = 2**256 - 2**256 % tickets
    picked: dict[int, None] = {}
    i = 0
    while len(picked) < min(tickets, wanted):
        d = int.from_bytes(sha256(seed + u64(i)), "big")
        if d < limit:
            picked.setdefault(d % tickets)
        i += 1
    return list(picked)


def check_pick_count(bundle: dict, entries: Entries, promise: dict) -> tuple[bool, str]:
    expected = min(entries.tickets, len(promise["prizes"]) + promise["alternates"])
    same(len(bundle["picks"]), expected, "the number of picks")
    return True, f"{expected} picks"


def check_indices(bundle: dict, entries: Entries) -> tuple[list[int], str]:
    """As many picks as the bundle has; whether these are enough is another check."""
    picks = bundle["picks"]
    indices = picked_indices(draw_seed(bundle, entries), entries.tickets, len(picks))
    if len(indices) < len(picks):
        raise Flaw(f"{len(picks)} picks from {len(indices)} tickets")
    for number, (pick, index) in enumerate(zip(picks, indices), start=1):  # noqa: B905 -- Python 3.9
        same(pick["index"], index, f"the index of pick {number}")
    return indices, "every index follows from the seed, in this order"


def check_pick_entries(bundle: dict, entries: Entries) -> tuple[bool, str]:
    for number, pick in enumerate(bundle["picks"], start=1):
        if pick["index"] >= entries.tickets:
            raise Flaw(f"the index of pick {number} is not below N")
        before, entry_id, first_ticket, count = entries.holding(pick["index"])
        same(pick["entry_id"], entry_id, f"the entry_id of pick {number}")
        same(pick["first_ticket"], first_ticket, f"the first_ticket of pick {number}")
        same(pick["count"], count, f"the count of pick {number}")
        same(pick["ticket"], first_ticket + pick["index"] - before, f"the ticket of pick {number}")
    return True, "each pick's ticket and entry are those of the entries file"


def check_roles(bundle: dict, promise: dict) -> tuple[bool, str]:
    prizes = promise["prizes"]
    for number, pick in enumerate(bundle["picks"], start=1):
        same(pick["position"], number, f"the position of pick {number}")
        wins = number <= len(prizes)
        same(pick["role"], "winner" if wins else "alternate", f"the role of pick {number}")
        if not wins:
            same(pick["prize"], None, f"the prize of pick {number}")
            continue
        prize = prizes[number - 1]  # the protocol leaves open how a bundle names the prize: any of these says it
        names = [json.dumps(name, sort_keys=True) for name in (prize, prize["name"], prize["position"])]
        if json.dumps(pick["prize"], sort_keys=True) not in names:
            raise Flaw(f"the prize of pick {number} is {shown(pick['prize'])}, expected {shown(prize)}")
    return True, f"{min(len(prizes), len(bundle['picks']))} winners, the rest alternates"


def check_paths(bundle: dict, entries: Entries) -> tuple[bool, str]:
    """By hashing up from the pick's own numbers: the entry and its place, proved without the entries file's order."""
    root = entries.root()
    for number, pick in enumerate(bundle["picks"], start=1):
        reached, before = climb(pick)
        if reached != root:
            raise Flaw(f"the path of pick {number} does not lead to the root and N")
        if not before <= pick["index"] < before + pick["count"]:
            raise Flaw(f"the path of pick {number} proves an entry that does not hold its index")
    return True, "each path leads from the entry to the root"


# --------------------------------------------------------------------------------------------------------------------
# 7. Bundle
# --------------------------------------------------------------------------------------------------------------------

STEP = {"side": text_like("left or right", "left|right"), "sum": POSITIVE, "hash": hex_of(32)}

PICK = {
    "position": POSITIVE,
    "role": text_like("winner or alternate", "winner|alternate"),
    "prize": ANYTHING,
    "index": COUNT,
    "ticket": POSITIVE,
    "entry_id": UUID,
    "first_ticket": POSITIVE,
    "count": POSITIVE,
    "path": [STEP],
}

BUNDLE = {
    "protocol": TEXT,
    "raffle": UUID,
    "manifest": TEXT,
    "manifest_hash": hex_of(32),
    "entries": {"root": hex_of(32), "tickets": POSITIVE, "count": POSITIVE, "url": TEXT},
    "commitment": {
        "anchored": BOOLEAN,
        "committed_at": COUNT,
        "chain_id": OrNull(POSITIVE),
        "contract": OrNull(ADDRESS),
        "transaction": OrNull(TRANSACTION),
        "block": OrNull(COUNT),
    },
    "beacon": {**PROMISED_BEACON, "round": POSITIVE, "signature": hex_of(48), "randomness": hex_of(32)},
    "seed": hex_of(32),
    "picks": [PICK],
    "settlement": OrNull({"transaction": TRANSACTION, "block": COUNT}),
}


def read_bundle(data: bytes) -> tuple[dict, str]:
    if len(data) > BUNDLE_BYTES_MAX:
        raise Flaw(f"larger than {BUNDLE_BYTES_MAX} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Flaw(f"not UTF-8: byte {error.start}") from None
    bundle = parse_json(text)
    conform(bundle, BUNDLE, "bundle")
    return bundle, f"{len(data)} bytes, every field of section 7 and no other"


# --------------------------------------------------------------------------------------------------------------------
# 8. On-chain: what this file can only name, not see
# --------------------------------------------------------------------------------------------------------------------

PLACE = ("chain_id", "contract", "transaction", "block")


def check_commitment(bundle: dict) -> tuple[bool, str]:
    commitment = bundle["commitment"]
    if not commitment["anchored"]:
        given = [name for name in PLACE if commitment[name] is not None]
        if given or bundle["settlement"] is not None:
            raise Flaw(f"not anchored, yet it names {', '.join(given) or 'a settlement'}")
        return True, "not anchored on a chain; committed_at is the operator's word"
    missing = [name for name in PLACE if commitment[name] is None]
    if missing:
        raise Flaw(f"anchored, but without {', '.join(missing)}")
    return True, "names its place on a chain; the chain itself is NOT checked offline"


def notes_on(bundle: dict, entries: Entries | None, promise: dict | None) -> Iterable[str]:
    """What the checks cannot settle and a reader should know."""
    commitment, settlement = bundle["commitment"], bundle["settlement"]
    if commitment["anchored"]:
        yield (
            f"NOT checked here, look it up: on chain {commitment['chain_id']}, contract {commitment['contract']}, "
            f"transaction {commitment['transaction']} in block {commitment['block']} must commit "
            f"root {bundle['entries']['root']} with {bundle['entries']['tickets']} tickets and {len(bundle['picks'])} "
            f"picks, the block's timestamp must be {commitment['committed_at']}, and the contract must have announced "
            f"manifest hash {bundle['manifest_hash']} before that (compare with the sale's opening)"
        )
        if settlement is not None:
            yield (
                f"NOT checked here, look it up: transaction {settlement['transaction']} in block {settlement['block']} "
                f"must have settled seed {bundle['seed']}"
            )
        else:
            yield "the draw has not been settled on the chain (or the bundle is older than that)"
    else:
        yield f"no chain holds this commitment: that it was published at {commitment['committed_at']} needs a witness"
    if any(bundle["beacon"][name] != value for name, value in QUICKNET.items()):
        yield "the beacon is NOT drand quicknet: whoever holds its key could have chosen the randomness"
    if entries and promise and entries.tickets < promise["min_tickets"]:
        yield f"{entries.tickets} tickets are fewer than the manifest's min_tickets, {promise['min_tickets']}"


# --------------------------------------------------------------------------------------------------------------------
# All checks, and the command line
# --------------------------------------------------------------------------------------------------------------------


class Check(NamedTuple):
    name: str
    ok: bool
    detail: str


class Report:
    """The checks run so far, in order, and notes for the reader."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.notes: list[str] = []

    def run(self, name: str, step: Callable[..., tuple[Any, str]], *needs: Any) -> Any:
        """Run one check; its value, or None if it fails. It fails unrun if a check whose value it needs has failed."""
        value = None
        if any(need is None for need in needs):
            detail = "could not be checked, because a check that it builds on failed"
        else:
            try:
                value, detail = step(*needs)
            except Flaw as flaw:
                detail = str(flaw)
            except RecursionError:
                detail = "nested too deeply"
            except MemoryError:
                detail = "too large for this machine's memory"
        self.checks.append(Check(name, value is not None, detail))
        return value

    @property
    def verified(self) -> bool:
        return all(check.ok for check in self.checks)


def verify(data: bytes, entries_file: BinaryIO, *, pure: bool = False) -> Report:
    """Every check of a bundle (its bytes) against an entries file (open for reading bytes)."""
    report = Report()
    run = report.run
    bundle = run("bundle", read_bundle, data)
    run("protocol", check_protocol, bundle)
    manifest = run("manifest JSON", read_manifest, bundle)
    run("manifest canonical", check_canonical, bundle, manifest)
    run("manifest hash", check_manifest_hash, bundle)
    promise = run("manifest content", check_manifest_content, manifest)
    run("manifest raffle", check_raffle, bundle, promise)
    run("manifest beacon", check_promised_beacon, bundle, promise)
    entries = run("entries file", read_entries, entries_file)
    run("entries order", check_order, entries)
    run("entries unique", check_unique, entries)
    run("entries limits", check_limits, entries, promise)
    run("entries count", check_count, bundle, entries)
    run("entries tickets", check_tickets, bundle, entries)
    run("entries root", check_root, bundle, entries)
    run("commitment", check_commitment, bundle)
    run("beacon chain", check_chain, bundle)
    run("beacon round", check_round, bundle, promise)
    run("beacon signature", check_signature, bundle, pure)
    run("beacon randomness", check_randomness, bundle)
    run("seed", check_seed, bundle, entries)
    run("picks number", check_pick_count, bundle, entries, promise)
    run("picks indices", check_indices, bundle, entries)
    run("picks entries", check_pick_entries, bundle, entries)
    run("picks roles", check_roles, bundle, promise)
    run("picks paths", check_paths, bundle, entries)
    if bundle is not None:
        report.notes.extend(notes_on(bundle, entries, promise))
    return report


def print_report(report: Report) -> None:
    for check in report.checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.detail}")
    for note in report.notes:
        print(f"note   {note}")
    failures = sum(not check.ok for check in report.checks)
    if failures:
        print(f"NOT VERIFIED: {failures} check{'s' * (failures > 1)} failed")
    else:
        print(f"VERIFIED: all {len(report.checks)} checks hold")


def main(arguments: list[str] | None = None) -> int:
    """The command; `arguments` without the programme's name. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Check a LuxeWin draw: a result bundle against its entries file.")
    parser.add_argument("bundle", type=Path, help="the result bundle (JSON)")
    parser.add_argument("entries", type=Path, help="the entries file (CSV)")
    parser.add_argument("--pure", action="store_true", help="verify the signature in pure Python, without the wheel")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    options = parser.parse_args(arguments)
    try:
        with options.bundle.open("rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
        with options.entries.open("rb") as entries_file:
            report = verify(data, entries_file, pure=options.pure)
        if options.json:
            checks = [check._asdict() for check in report.checks]
            print(json.dumps({"verified": report.verified, "checks": checks, "notes": report.notes}, indent=1))
        else:
            print_report(report)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the report went away: nothing was said to anybody, so nothing is verified
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(f"cannot read: {shown(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print("cannot read: too large for this machine's memory", file=sys.stderr)
        return 2
    return 0 if report.verified else 1


if __name__ == "__main__":
    sys.exit(main())
