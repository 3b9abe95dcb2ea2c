"""Check for yourself that nobody bent a LuxeWin draw: one file, nothing but Python, and the draw's public files.

    python verifier.py bundle.json entries.csv [log.csv] [--rpc URL ...] [--beacon FILE] [--head FILE]
                       [--receipt FILE ...] [--json]

It recomputes a draw of the protocol `luxewin/draw/v2` and shares no code with the programme that held it. It is one
file, longer than files here may otherwise be, so that anyone can download it, read it from top to bottom and run it
with Python 3.9 or newer. Its sections are numbered as in the protocol's text. It asks nobody but the nodes you name.

Exit code and last line:
0  VERIFIED      every check holds, also at the draw's place on its chain
3  CONSISTENT    no check fails, but those listed as "not checked" did not run, or the draw has not been held yet
1  NOT VERIFIED  a check fails; each is named with what was found and what was expected
2  NOT JUDGED    wrong usage; or a file is unreadable, cut short, in another's place, or no receipt

Cost on a slow core: a second for the signature, then about 15 microseconds and 700 bytes of memory per entry.
"""
# ruff: noqa: T201 -- a command-line tool: printing is its purpose

from __future__ import annotations

import argparse
import bisect
import gc
import hashlib
import json
import operator
import os
import re
import stat
import struct
import sys
import time
import urllib.request
from array import array
from binascii import unhexlify
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from http.client import HTTPException
from itertools import accumulate
from typing import Any, BinaryIO, Callable, Iterable, Iterator, NamedTuple, Sequence  # noqa: UP035 -- Python 3.9

PROTOCOL = "luxewin/draw/v2"
SAFE_INTEGER = 2**53 - 1
DEVELOPMENT_CHAIN = 31337
JSON_BYTES_MAX = 16 * 1024 * 1024  # a hundred picks among ten million entries are 0.4 MB
SMALL_BYTES_MAX = 64 * 1024  # a receipt, a head or a beacon is below 1 kB
TABLE_BYTES_MAX = 4 * 1024**3  # thirty million lines
DEPTH_MAX = 100


class Flaw(Exception):
    """A check does not hold; the text says why. Its text is plain ASCII, whatever the files hold."""


class NotChecked(Exception):
    """A check could not run; the text says why. That is never held against the draw."""


class Unreadable(Exception):
    """A file is not what it should be at all: nothing can be said of the draw."""


def shown(value: object) -> str:
    """`value` for people: escaped to ASCII (no terminal tricks) and cut to 100 characters."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 100 else text[:97] + "..."


# --------------------------------------------------------------------------------------------------------------------
# 0. Notation: reading files and JSON strictly, and describing what it must look like
# --------------------------------------------------------------------------------------------------------------------


def open_file(path: str, most: int) -> BinaryIO:
    """A file opened for reading; Unreadable for anything but a regular file of at most `most` bytes.

    A pipe or a device could be endless, and opening it could wait for ever.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot read: {shown(str(error))}") from None
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size <= most:
        return file
    file.close()
    too_large = stat.S_ISREG(status.st_mode)
    raise Unreadable(f"cannot read {shown(path)}: " + (f"larger than {most} bytes" if too_large else "not a file"))


def read_small(path: str, most: int) -> bytes:
    with open_file(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"cannot read {shown(path)}: larger than {most} bytes")
    return data


def json_integer(digits: str) -> int:
    if len(digits) > 16 or not 0 <= int(digits) <= SAFE_INTEGER or str(int(digits)) != digits:
        raise Flaw(f"the number {shown(digits)} is not an integer from 0 to 2^53 - 1")
    return int(digits)


def json_number(literal: str) -> Any:
    raise Flaw(f"the number {shown(literal)} is not an integer from 0 to 2^53 - 1")


def json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Flaw(f"an object names its member {shown(twice)} twice")
    return record


def json_depth(text: str) -> int:
    """How deep a text nests. Python's versions differ in how deep they can follow, so that is bounded first."""
    depth = deepest = 0
    for token in re.finditer(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', text, re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        deepest = max(depth, deepest)
    return deepest


def parse_json(data: bytes) -> Any:
    """The value of one JSON document. Unreadable if it is none; Flaw for what two readers could take in two ways:
    a name twice, numbers other than integers from 0 to 2^53 - 1, lone surrogates, deep nesting."""

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: byte {error.start}") from None
    if json_depth(text) > DEPTH_MAX:
        raise Flaw("nested too deeply")
    try:
        value = json.loads(
            text,
            parse_int=json_integer,
            parse_float=json_number,
            parse_constant=json_number,
            object_pairs_hook=json_object,
        )
    except ValueError as error:
        raise Unreadable(f"not valid JSON, or cut short: {shown(str(error))}") from None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Flaw("a lone surrogate, which is no text") from None
    return value


class Kind(NamedTuple):
    """A sort of value: what it is called and how it is recognised."""

    name: str
    fits: Callable[[Any], bool]


def text_like(name: str, pattern: str) -> Kind:
    return Kind(name, lambda value: type(value) is str and re.fullmatch(pattern, value, re.ASCII) is not None)


def integer_from(least: int, most: int = SAFE_INTEGER) -> Kind:
    name = f"an integer from {least}" + (f" to {most}" if most < SAFE_INTEGER else "")
    return Kind(name, lambda value: type(value) is int and least <= value <= most)


def hex_of(size: int) -> Kind:
    return text_like(f"{size} bytes in lower-case hex", f"[0-9a-f]{{{2 * size}}}")


def unix_seconds(text: str) -> int | None:
    """Unix seconds of `YYYY-MM-DDTHH:MM:SSZ`, or None if the calendar has no such moment from 1970 to 9999.

    Not by `datetime.fromisoformat`, for which newer versions of Python have an hour 24.
    """
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", text, re.ASCII)
    try:
        moment = datetime(*map(int, match.groups())) if match else None  # type: ignore[arg-type] # noqa: DTZ001 -- both in UTC
    except ValueError:
        return None
    if moment is None or moment.year < 1970:
        return None
    past = moment - datetime(1970, 1, 1)  # noqa: DTZ001 -- both in UTC
    return past.days * 86_400 + past.seconds


def seconds(text: str) -> int:
    """Unix seconds of a time whose form has been checked."""
    found = unix_seconds(text)
    if found is None:
        raise Flaw(f"{shown(text)} is no time")
    return found


UUID = text_like("a lower-case UUID", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NULL = Kind("null", lambda value: value is None)
TEXT = Kind("a string", lambda value: type(value) is str)
COUNT, POSITIVE = integer_from(0), integer_from(1)
TIME = Kind("a time like 2026-01-31T20:00:00Z", lambda value: type(value) is str and unix_seconds(value) is not None)
ADDRESS = text_like("0x and 20 bytes in lower-case hex", "0x[0-9a-f]{40}")
TRANSACTION = text_like("0x and 32 bytes in lower-case hex", "0x[0-9a-f]{64}")


class OrNull(NamedTuple):
    """The value may be null instead."""

    shape: Any


def misfits(value: Any, shape: Any, where: str) -> Iterator[str]:
    """What keeps `value` from this shape: a dict is an object with exactly these members, a list an array of such."""
    if isinstance(shape, OrNull):
        shape = shape.shape if value is not None else NULL
    if isinstance(shape, Kind):
        if not shape.fits(value):
            yield f"{where}: expected {shape.name}, found {shown(value)}"
    elif type(value) is not type(shape):
        yield f"{where}: expected {'an array' if type(shape) is list else 'an object'}, found {shown(value)}"
    elif type(value) is list:
        for number, item in enumerate(value):
            yield from misfits(item, shape[0], f"{where}[{number}]")
    else:
        missing, unknown = sorted(shape.keys() - value.keys()), sorted(value.keys() - shape.keys())
        if missing or unknown:
            yield f"{where}: missing members {shown(missing)}, unknown members {shown(unknown)}"
        for name in shape.keys() & value.keys():
            yield from misfits(value[name], shape[name], f"{where}.{name}")


def conform(value: Any, shape: Any, where: str) -> None:
    """Flaw unless `value` has exactly this shape; it names up to five faults."""
    faults = sorted(misfits(value, shape, where))
    if faults:
        raise Flaw("; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else ""))


def same(found: object, expected: object, what: str) -> None:
    """Flaw unless the two are equal and of one type (in Python, True == 1)."""
    if type(found) is not type(expected) or found != expected:
        raise Flaw(f"{what} is {shown(found)}, expected {shown(expected)}")


SHA256 = hashlib.sha256


def sha256(data: bytes) -> bytes:
    return SHA256(data).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def uuid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


CHUNK = 1 << 20
LINE_BYTES_MAX = 256  # the longest line has 168


Column = Callable[[Sequence[bytes]], Sequence[Any]]  # reads a column's texts; ValueError if one is odd
HEX_DIGITS = b"0123456789abcdef"


def parts(data: bytes | bytearray, layout: str) -> list[bytes]:
    """The pieces of which `data` is a row, by a struct layout of one string."""
    return [piece for (piece,) in struct.iter_unpack(layout, data)]


def read_ids(texts: Sequence[bytes]) -> list[bytes]:
    joined, hyphens = b"".join(texts), b"-" * len(texts)
    misplaced = any(joined[at::36] != hyphens for at in (8, 13, 18, 23))
    if set(map(len, texts)) != {36} or misplaced or joined.translate(None, HEX_DIGITS + b"-"):
        raise ValueError
    raw = unhexlify(joined.replace(b"-", b""))
    if len(raw) != 16 * len(texts):
        raise ValueError
    return parts(raw, "16s")


def read_hashes(texts: Sequence[bytes]) -> list[bytes]:
    joined = b"".join(texts)
    if set(map(len, texts)) != {64} or joined.translate(None, HEX_DIGITS):
        raise ValueError
    return parts(unhexlify(joined), "32s")


def read_integers(texts: Sequence[bytes]) -> list[int]:
    joined = b",".join((b"", *texts))
    # Digits only, and whatever begins with a zero is a zero.
    if joined.translate(None, b"0123456789,") or joined.count(b",0") != texts.count(b"0") or max(map(len, texts)) > 16:
        raise ValueError
    numbers = list(map(int, texts))
    if max(numbers) > SAFE_INTEGER:
        raise Flaw(f"the number {max(numbers)} is above 2^53 - 1")
    return numbers


def read_columns(lines: bytes, columns: Sequence[Column]) -> list[Sequence[Any]]:
    """Whole lines, by column: several times quicker than line by line. ValueError if a line is odd."""
    width = len(columns) + 1  # the ends of lines are a column, too: none of them may be out of its place
    fields = lines.replace(b"\n", b",\n,").split(b",")
    if len(fields) != width * lines.count(b"\n") + 1 or set(fields[width - 1 :: width]) != {b"\n"}:
        raise ValueError
    return [read(fields[at:-1:width]) for at, read in enumerate(columns)]


def batches_of(
    file: BinaryIO, header: bytes, columns: Sequence[Column], row: re.Pattern[bytes], most: int
) -> Iterator[list[Any]]:
    """A CSV file's lines in batches, each a list of columns. Flaw at a line that is not one, and after `most` of them;
    Unreadable where the file ends within a line: it was cut short."""
    first = file.readline(LINE_BYTES_MAX)
    if first != header + b"\n":
        if header.startswith(first):
            raise Unreadable("it is empty, or cut short in line 1: get it again")
        raise Flaw(f"line 1 is {shown(first)}, expected the header {header.decode()}")
    lines_before, rest = 1, b""
    while piece := file.read(CHUNK):
        chunk = rest + piece
        end = chunk.rfind(b"\n") + 1
        whole, rest = chunk[:end], chunk[end:]
        try:
            found = read_columns(whole, columns) if whole else []
        except ValueError:
            raise Flaw(odd_line(chunk, row, lines_before)) from None
        if len(rest) > LINE_BYTES_MAX:
            raise Flaw(odd_line(chunk, row, lines_before))
        lines_before += whole.count(b"\n")
        if lines_before > most + 1:
            raise Flaw(f"it has more lines than the {most} that the bundle tells of")
        if found:
            yield found
    if rest:
        raise Unreadable(f"it ends within line {lines_before + 1}, cut short: get it again")


def odd_line(chunk: bytes, row: re.Pattern[bytes], lines_before: int) -> str:
    for number, line in enumerate(chunk.split(b"\n"), start=lines_before + 1):
        if not row.fullmatch(line + b"\n"):
            return f"line {number} is not one of these files' lines: {shown(line[:LINE_BYTES_MAX])}"
    return f"line {lines_before + 1} is too long"


def repeated(values: list[bytes]) -> bytes | None:
    """A value that stands twice among these, or None."""
    if len(set(values)) == len(values):
        return None
    seen: set[bytes] = set()
    return next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]


def aligned(records: bytes | bytearray, record: bytes, end: int) -> int | None:
    """The number of the record equal to this one among those before `end`, or None."""
    at = records.find(record, 0, end)
    while at % len(record) and at >= 0:
        at = records.find(record, at + 1, end)
    return None if at < 0 else at // len(record)


# --------------------------------------------------------------------------------------------------------------------
# 1. Manifest
# --------------------------------------------------------------------------------------------------------------------

BEACON = {"chain_hash": hex_of(32), "public_key": hex_of(96), "genesis_time": COUNT, "period": POSITIVE, "scheme": TEXT}
YEAR = 31_536_000

MANIFEST = {
    "protocol": TEXT,
    "operator": TEXT,
    "raffle": UUID,
    "sequence": COUNT,
    "title": TEXT,
    "prizes": [{"position": COUNT, "name": TEXT, "value": OrNull(COUNT), "cash_alternative": OrNull(COUNT)}],
    "alternates": COUNT,
    "ticket_price": COUNT,
    "currency": text_like("three lower-case letters", "[a-z]{3}"),
    "capacity": COUNT,
    "max_per_person": COUNT,
    "min_tickets": COUNT,
    "opens_at": TIME,
    "closes_at": TIME,
    "conditions": TEXT,
    "free_route": OrNull({"instructions": TEXT, "until": TIME}),
    "claim_seconds": COUNT,
    "delay_seconds": COUNT,
    "commit_within_seconds": COUNT,
    "void_after_seconds": COUNT,
    "beacon": BEACON,
    "anchor": OrNull({"chain_id": POSITIVE, "contract": ADDRESS}),
    "receipt_key": hex_of(32),
}


def canonical(value: Any) -> str:
    """RFC 8785 for what a manifest holds: strings, integers, null, arrays and objects; Flaw for anything else."""
    if value is None:
        return "null"
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
    raise Flaw(f"a manifest holds strings, integers, null, arrays and objects, but here is {shown(value)}")


def read_manifest(bundle: dict) -> tuple[dict, str]:
    try:
        manifest = parse_json(bundle["manifest"].encode())
    except Unreadable as error:
        raise Flaw(str(error)) from None
    conform(manifest, MANIFEST, "manifest")
    same(manifest["protocol"], PROTOCOL, "manifest.protocol")
    return manifest, f"{len(bundle['manifest'].encode())} bytes, every member of section 1 and no other"


def check_canonical(bundle: dict, promise: dict) -> str:
    expected, found = canonical(promise), bundle["manifest"]
    if expected != found:
        place = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))  # noqa: B905 -- Python 3.9
        raise Flaw(
            f"not in RFC 8785 form: from character {place} on found {shown(found[place : place + 20])}, "
            f"expected {shown(expected[place : place + 20])}"
        )
    return "RFC 8785"


def check_manifest_hash(bundle: dict) -> str:
    same(bundle["manifest_hash"], sha256(bundle["manifest"].encode()).hex(), "manifest_hash")
    return str(bundle["manifest_hash"])


def check_raffle(bundle: dict, promise: dict) -> str:
    same(bundle["raffle"], promise["raffle"], "the bundle's raffle")
    return str(bundle["raffle"])


def is_development(promise: dict) -> bool:
    return promise["anchor"] is not None and promise["anchor"]["chain_id"] == DEVELOPMENT_CHAIN


def broken_promises(promise: dict) -> Iterator[str]:
    """Every rule of section 1 that does not hold."""
    prizes, capacity = promise["prizes"], promise["capacity"]
    opens, closes = seconds(promise["opens_at"]), seconds(promise["closes_at"])
    if not opens < closes:
        yield f"opens_at {promise['opens_at']} is not before closes_at {promise['closes_at']}"
    if not prizes:
        yield "there are no prizes, expected at least one"
    positions = [prize["position"] for prize in prizes]
    if positions != list(range(1, len(prizes) + 1)):
        yield f"the prizes' positions are {shown(positions)}, expected 1, 2, ..."
    if len(prizes) + promise["alternates"] > 100:
        yield f"prizes and alternates are {len(prizes) + promise['alternates']}, expected at most 100"
    if len(prizes) > capacity:
        yield f"{len(prizes)} prizes are more than the capacity of {capacity}"
    if promise["min_tickets"] > capacity:
        yield f"min_tickets {promise['min_tickets']} is above the capacity of {capacity}"
    if not 1 <= promise["max_per_person"] <= capacity:
        yield f"max_per_person is {promise['max_per_person']}, expected 1 to the capacity of {capacity}"
    free = promise["free_route"]
    if free is not None and not opens < seconds(free["until"]) <= closes:
        yield f"free_route.until is {free['until']}, expected after opens_at and at the latest closes_at"
    yield from broken_spans(promise)


def broken_spans(promise: dict) -> Iterator[str]:
    least = {"claim_seconds": 86_400, "commit_within_seconds": 0, "delay_seconds": 600, "void_after_seconds": 604_800}
    if is_development(promise):
        least["delay_seconds"] = least["void_after_seconds"] = 0
    for name, bound in least.items():
        if not bound <= promise[name] <= YEAR:
            yield f"{name} is {promise[name]}, expected {bound} to {YEAR}"


# --------------------------------------------------------------------------------------------------------------------
# 2. Entries, and the tree over them, built while the file is read
# --------------------------------------------------------------------------------------------------------------------

ID = rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
NUMBER = rb"(0|[1-9][0-9]{0,15})"
ENTRIES_HEADER = b"entry_id,first_ticket,count,holder"
ENTRIES_ROW = re.compile(rb"(?m)^" + ID + b"," + NUMBER + b"," + NUMBER + rb",([0-9a-f]{64})\n")
RECORD = struct.Struct(">16sQQ32s")  # entry_id, first_ticket, count, holder: what a leaf hashes after its 0x00
BLOCK = 1 << 13


def fold(nodes: list[bytes], join: Callable[[bytes, bytes], bytes]) -> bytes:
    """The root over these nodes, in RFC 9162's shape: pair by pair, a last one without a pair goes up as it is."""
    while len(nodes) > 1:
        parents = list(map(join, nodes[::2], nodes[1::2]))
        nodes = parents + nodes[len(nodes) - len(nodes) % 2 :]
    return nodes[0]


def sum_node(left: bytes, right: bytes) -> bytes:
    """The 40 bytes (sum, hash) of the node over two nodes' 40 bytes; Flaw if the sum leaves 2^53 - 1."""
    total = int.from_bytes(left[:8], "big") + int.from_bytes(right[:8], "big")
    if total > SAFE_INTEGER:
        raise Flaw("a sum of tickets is above 2^53 - 1")
    return u64(total) + sha256(b"\x01" + left + right)


def fold_sums(sums: list[int], nodes: list[bytes]) -> bytes:
    """`fold` of sum nodes with their sums at hand, which is quicker; together they are at most 2^53 - 1."""
    pack, hashed = struct.Struct(">Q").pack, SHA256
    while len(nodes) > 1:
        odd = len(nodes) % 2
        sums = [*map(operator.add, sums[::2], sums[1::2]), *sums[len(sums) - odd :]]
        digests = [hashed(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2])]  # noqa: B905 -- Python 3.9
        nodes = [*map(operator.add, map(pack, sums), digests), *nodes[len(nodes) - odd :]]
    return nodes[0]


@dataclass
class Entries:
    """The entries file: a record of 64 bytes per line, the tickets before each, and the root (sum and hash)."""

    records: bytearray = field(default_factory=bytearray)
    before: array = field(default_factory=lambda: array("Q"))
    tickets: int = 0
    last_ticket: int = 0
    largest_count: int = 0
    root: bytes = b""
    faults: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.before)

    def entry(self, place: int) -> tuple[bytes, int, int, bytes]:
        return RECORD.unpack_from(self.records, place * RECORD.size)

    def holding(self, index: int) -> int:
        """The place of the entry in which a 0-based index lies."""
        return bisect.bisect_right(self.before, index) - 1

    def holds(self, record: bytes) -> bool:
        return aligned(self.records, record, len(self.records)) is not None


def read_entries(file: BinaryIO, most: int) -> tuple[Entries, str]:
    """Every line of the entries file, of at most `most`. Order and counts are judged by other checks."""
    entries, roots, pack, hashed = Entries(), [], struct.Struct(">Q").pack, SHA256
    sums: list[int] = []
    leaves: list[bytes] = []
    columns = (read_ids, read_integers, read_integers, read_hashes)
    for ids, firsts, counts, holders in batches_of(file, ENTRIES_HEADER, columns, ENTRIES_ROW, most):
        judge_order(entries, firsts, counts)
        records = list(map(RECORD.pack, ids, firsts, counts, holders))
        entries.records += b"".join(records)
        before = list(accumulate(counts, initial=entries.tickets))
        entries.tickets = before.pop()
        entries.before.extend(before)
        if entries.tickets > SAFE_INTEGER:
            raise Flaw("the tickets are more than 2^53 - 1")
        sums += counts
        leaves += [pack(count) + hashed(b"\x00" + record).digest() for count, record in zip(counts, records)]  # noqa: B905 -- Python 3.9
        while len(leaves) >= BLOCK:
            roots.append(fold_sums(sums[:BLOCK], leaves[:BLOCK]))
            del leaves[:BLOCK], sums[:BLOCK]
    if not len(entries):
        raise Flaw("there are no entries, expected at least one ticket to draw from")
    entries.root = fold(roots + ([fold_sums(sums, leaves)] if leaves else []), sum_node)
    return entries, f"{len(entries)} lines"


def judge_order(entries: Entries, firsts: list[int], counts: list[int]) -> None:
    """Note the first faults of these lines' numbers."""
    last, number = entries.last_ticket, len(entries) + 1
    for number, (first, count) in enumerate(zip(firsts, counts), start=number):  # noqa: B020, B905 -- Python 3.9
        if (first <= last or not count) and len(entries.faults) < 5:
            line = f"line {number + 1}"
            if not count:
                entries.faults.append(f"{line} has a count of 0, expected 1 or more")
            else:
                entries.faults.append(f"{line} begins at ticket {first}, expected above {last}: ordered, no overlap")
        last = first + count - 1
    entries.last_ticket = max(entries.last_ticket, last)
    entries.largest_count = max(entries.largest_count, *counts)


def broken_entries(entries: Entries, promise: dict) -> Iterator[str]:
    yield from entries.faults
    if entries.largest_count > promise["max_per_person"]:
        yield f"an entry has {entries.largest_count} tickets, more than max_per_person, {promise['max_per_person']}"
    if entries.last_ticket > promise["capacity"]:
        yield f"the last ticket is {entries.last_ticket}, above the capacity of {promise['capacity']}"
    twice = repeated(parts(entries.records, "16s48x"))
    if twice is not None:
        yield f"the entry_id {uuid_text(twice)} is listed twice"
    twice = repeated(parts(entries.records, "32x32s"))
    if twice is not None:
        yield f"the holder {twice.hex()} is listed twice: one entry could be shown to two buyers"


def check_entries_told(bundle: dict, entries: Entries) -> str:
    told = bundle["entries"]
    faults = []
    for name, found in (("count", len(entries)), ("tickets", entries.tickets), ("root", entries.root[8:].hex())):
        if told[name] != found:
            faults.append(f"entries.{name} is {told[name]}, but the entries file gives {found}")
    if faults:
        raise Flaw("; ".join(faults))
    return f"{told['count']} entries, N = {told['tickets']}, root {told['root']}"


# --------------------------------------------------------------------------------------------------------------------
# 3. Log, receipts, heads and their signatures
# --------------------------------------------------------------------------------------------------------------------

ENTERED, WITHDRAWN, FORFEITED, CLAIMED = 1, 2, 3, 4
LOG_HEADER = b"kind,entry_id,a,b,x,at"
LOG_ROW = re.compile(rb"(?m)^([1-4])," + ID + b"," + NUMBER + b"," + NUMBER + rb",([0-9a-f]{64})," + NUMBER + rb"\n")
LEAF = struct.Struct(">B16sQQ32sQ")  # kind, entry_id, a, b, x, at


def log_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def fold_log(nodes: list[bytes]) -> bytes:
    """`fold` by `log_node`, without a call for each node."""
    hashed = SHA256
    while len(nodes) > 1:
        parents = [hashed(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2])]  # noqa: B905 -- Python 3.9
        nodes = parents + nodes[len(nodes) - len(nodes) % 2 :]
    return nodes[0]


class Leaf(NamedTuple):
    """A line of the log."""

    kind: int
    entry_id: bytes
    a: int
    b: int
    x: bytes
    at: int


@dataclass
class Log:
    """The log file: a record of 73 bytes per line, their hashes, and what the first `size` lines say."""

    size: int
    records: bytes = b""
    hashes: bytearray = field(default_factory=bytearray)
    kinds: bytearray = field(default_factory=bytearray)
    times: array = field(default_factory=lambda: array("Q"))
    # Lines of kind 1 by first ticket, what they enter (64 bytes each), and the lines of kind 2 by entry_id.
    entered: list[int] = field(default_factory=list)
    entered_records: bytes = b""
    withdrawn: dict[bytes, int] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kinds)

    def leaf(self, place: int) -> Leaf:
        return Leaf(*LEAF.unpack_from(self.records, place * LEAF.size))

    def entry_record(self, place: int) -> bytes:
        """entry_id, a, b and x of a line: what an entry's leaf hashes, too."""
        return self.records[place * LEAF.size + 1 : place * LEAF.size + 65]

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves; it is computed once."""
        if size not in self.roots:
            starts = range(0, size, BLOCK)
            blocks = (parts(self.hashes[32 * at : 32 * min(at + BLOCK, size)], "32s") for at in starts)
            self.roots[size] = fold_log(list(map(fold_log, blocks))) if size else sha256(b"")
        return self.roots[size]

    def holds(self, digest: bytes, size: int) -> bool:
        """Is this leaf hash among the first `size`?"""
        return aligned(self.hashes, digest, size * 32) is not None

    @property
    def tickets_given(self) -> int:
        """T: the last ticket that was ever given."""
        return max((leaf.a + leaf.b - 1 for leaf in map(self.leaf, self.entered[-1:])), default=0)


def read_log(file: BinaryIO, size: int, picks: int) -> tuple[Log, str]:
    """Every line of the log: `size` of them are committed, and each pick has at most one after those."""
    log, batches, hashed = Log(size), [], SHA256
    columns = (read_integers, read_ids, read_integers, read_integers, read_hashes, read_integers)
    for kinds, ids, firsts, counts, xs, times in batches_of(file, LOG_HEADER, columns, LOG_ROW, size + picks):
        if not ENTERED <= min(kinds) <= max(kinds) <= CLAIMED:
            other = next(kind for kind in kinds if not ENTERED <= kind <= CLAIMED)
            raise Flaw(f"a line is of kind {other}, expected 1 to 4")
        records = list(map(LEAF.pack, kinds, ids, firsts, counts, xs, times))
        batches.append(b"".join(records))
        log.hashes += b"".join([hashed(b"\x00" + record).digest() for record in records])
        log.kinds += bytes(kinds)
        log.times.extend(times)
    if len(log) < size:
        raise Flaw(f"it has {len(log)} lines, fewer than log.size, {size}: cut short, or an older file")
    log.records = b"".join(batches)
    committed = bytes(log.kinds[:size])
    first_tickets = [first for (first,) in struct.iter_unpack(">17xQ48x", log.records)]
    log.entered = sorted(
        (place for place, kind in enumerate(committed) if kind == ENTERED), key=first_tickets.__getitem__
    )
    log.entered_records = b"".join(map(parts(log.records, "x64s8x").__getitem__, log.entered))
    at = committed.find(b"\x02")
    while at >= 0:
        log.withdrawn.setdefault(log.entry_record(at)[:16], at)
        at = committed.find(b"\x02", at + 1)
    return log, f"{len(log)} lines, {size} of them committed"


def check_log_root(bundle: dict, log: Log) -> str:
    same(bundle["log"]["root"], log.root(log.size).hex(), "log.root")
    return str(bundle["log"]["root"])


def broken_log(log: Log, promise: dict, committed_at: int | None) -> Iterator[str]:
    """Every rule on leaves of kinds 1 and 2 that does not hold; of each rule the first breach."""
    kinds = bytes(log.kinds[: log.size])
    other = next((place for place, kind in enumerate(kinds) if kind > WITHDRAWN), None)
    if other is not None:
        yield f"leaf {other} is of kind {kinds[other]}, but the first {log.size} are of kinds 1 and 2 only"
    other = next((place for place in range(log.size, len(log)) if log.kinds[place] < FORFEITED), None)
    if other is not None:
        yield f"leaf {other} is of kind {log.kinds[other]}, but after the first {log.size} are kinds 3 and 4 only"
    opens = seconds(promise["opens_at"])
    last = SAFE_INTEGER if committed_at is None else committed_at
    times = log.times[: log.size]
    if times and not opens <= min(times) <= max(times) <= last:
        place = next(place for place, at in enumerate(times) if not opens <= at <= last)
        yield f"leaf {place} has at = {times[place]}, expected from opens_at, {opens}, to committed_at, {committed_at}"
    yield from broken_numbers(log, promise)
    yield from broken_withdrawals(log)


def broken_numbers(log: Log, promise: dict) -> Iterator[str]:
    expected, numbers = 1, struct.iter_unpack(">16xQQ32x", log.entered_records)
    for place, (first, count) in zip(log.entered, numbers):  # noqa: B905 -- Python 3.9
        if not 1 <= count <= promise["max_per_person"]:
            yield f"leaf {place} has {count} tickets, expected 1 to max_per_person, {promise['max_per_person']}"
            break
        if first != expected:
            yield f"leaf {place} begins at ticket {first}, expected {expected}: ticket numbers have no gap or overlap"
            break
        expected = first + count
    if expected - 1 > promise["capacity"]:
        yield f"the last ticket is {expected - 1}, above the capacity of {promise['capacity']}"
    twice = repeated(parts(log.entered_records, "16s48x"))
    if twice is not None:
        yield f"the entry_id {uuid_text(twice)} has two leaves of kind 1"
    twice = repeated(parts(log.entered_records, "32x32s"))
    if twice is not None:
        yield f"the holder {twice.hex()} is in two leaves of kind 1: one entry could be shown to two buyers"


def broken_withdrawals(log: Log) -> Iterator[str]:
    kinds = bytes(log.kinds[: log.size])
    if kinds.count(WITHDRAWN) > len(log.withdrawn):
        places = (place for place, kind in enumerate(kinds) if kind == WITHDRAWN)
        place = next(place for place in places if log.withdrawn[log.entry_record(place)[:16]] != place)
        yield f"leaf {place} withdraws {uuid_text(log.entry_record(place)[:16])} a second time"
    entered = {}
    for place, record in zip(log.entered, parts(log.entered_records, "64s")):  # noqa: B905 -- Python 3.9
        if record[:16] in log.withdrawn:
            entered[record[:16]] = (place, record)
    for entry_id, place in log.withdrawn.items():
        at, record = entered.get(entry_id, (None, b""))
        if at is None:
            yield f"leaf {place} withdraws {uuid_text(entry_id)}, which no leaf of kind 1 entered"
        elif at > place:
            yield f"leaf {place} withdraws {uuid_text(entry_id)}, which only the later leaf {at} entered"
        elif record != log.entry_record(place):
            yield f"leaf {place} does not repeat a, b and x of leaf {at}, which it withdraws"
        else:
            continue
        break


def check_entries_follow(log: Log, entries: Entries) -> str:
    """The entries are exactly what the committed leaves enter and do not withdraw."""
    kept = [record for record in parts(log.entered_records, "64s") if record[:16] not in log.withdrawn]
    if b"".join(kept) != entries.records:
        found = parts(entries.records, "64s")
        lacking, extra = set(kept) - set(found), set(found) - set(kept)
        faults = [f"entry {uuid_text(r[:16])} is in the log, but not so in the entries" for r in sorted(lacking)[:3]]
        faults += [f"entry {uuid_text(r[:16])} is in the entries, but not so in the log" for r in sorted(extra)[:3]]
        raise Flaw("; ".join(faults) or "the entries are not in the order of their tickets")
    return f"exactly those that the log enters and does not withdraw; {withdrawal_count(log)}"


def withdrawal_count(log: Log) -> str:
    tickets = sum(log.leaf(place).b for place in log.withdrawn.values())
    return f"{tickets} tickets of {len(log.withdrawn)} purchases were withdrawn"


# 3.1 Outcomes after the draw


def broken_outcomes(log: Log, promise: dict, picks: list[dict], drawn_at: int | None) -> Iterator[str]:
    """Every breach of the rules on leaves of kinds 3 and 4, followed in the log's order."""
    prizes = len(promise["prizes"])
    holds = {n: (n, drawn_at or 0) for n in range(1, min(prizes, len(picks)) + 1)}  # prize and turn by pick
    done: set[int] = set()
    for place in range(log.size, len(log)):
        leaf = log.leaf(place)
        if leaf.kind < FORFEITED:
            continue  # named by another check
        if drawn_at is None or not picks:
            yield f"leaf {place} tells of an outcome, but nothing has been drawn"
        elif not 1 <= leaf.a <= len(picks):
            yield f"leaf {place} is of pick {leaf.a}, but there are {len(picks)}"
        elif leaf.a in done:
            yield f"leaf {place} is a second outcome of pick {leaf.a}"
        else:
            done.add(leaf.a)
            yield from broken_outcome(place, leaf, picks, holds.get(leaf.a), (drawn_at, promise["claim_seconds"]))
            prize, _ = holds.pop(leaf.a, (0, 0))
            if leaf.kind == FORFEITED and prize:
                heirs = range(prizes + 1, len(picks) + 1)
                heir = next((n for n in heirs if n not in done and n not in holds), None)
                if heir is not None:
                    holds[heir] = (prize, leaf.at)


def broken_outcome(
    place: int, leaf: Leaf, picks: list[dict], held: tuple[int, int] | None, spans: tuple[int, int]
) -> Iterator[str]:
    drawn_at, claim_seconds = spans
    expected = uuid_bytes(picks[leaf.a - 1]["entry_id"])
    if leaf.entry_id != expected:
        yield f"leaf {place} is of entry {uuid_text(leaf.entry_id)}, expected pick {leaf.a}'s, {uuid_text(expected)}"
    prize, turn = held or (0, 0)
    if leaf.b != prize:
        yield f"leaf {place} tells of prize {leaf.b}, but pick {leaf.a} held {prize or 'none'}"
    if leaf.at < drawn_at:
        yield f"leaf {place} has at = {leaf.at}, before the round at {drawn_at}"
    yield from broken_reason(place, leaf, prize, turn + claim_seconds)


def broken_reason(place: int, leaf: Leaf, prize: int, unclaimed_from: int) -> Iterator[str]:
    if leaf.kind == CLAIMED:
        if not prize:
            yield f"leaf {place} hands over to pick {leaf.a}, who held no prize"
        if leaf.x != bytes(32):
            yield f"leaf {place} is of kind 4 with x = {leaf.x.hex()}, expected zeros"
    elif leaf.x == sha256(b"unclaimed"):
        if not prize:
            yield f"leaf {place} says unclaimed of pick {leaf.a}, who had not been called"
        elif leaf.at < unclaimed_from:
            yield f"leaf {place} says unclaimed at {leaf.at}, expected from turn + claim_seconds, {unclaimed_from}"


# 3.2 Ed25519 as RFC 8032 has it, verified without the cofactor. Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, T = xy.

ED_P = 2**255 - 19
ED_L = 2**252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P
ED_IDENTITY = (0, 1, 1, 0)


def ed_decode(data: bytes) -> tuple | None:
    """The point of this one encoding, or None."""
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255, number >> 255
    if y >= ED_P:
        return None
    square = (y * y - 1) * pow(ED_D * y * y + 1, -1, ED_P) % ED_P
    x = pow(square, (ED_P + 3) // 8, ED_P)
    if x * x % ED_P != square:
        x = x * pow(2, (ED_P - 1) // 4, ED_P) % ED_P
    if x * x % ED_P != square or (x == 0 and sign):
        return None
    if x % 2 != sign:
        x = ED_P - x
    return x, y, 1, x * y % ED_P


def ed_encode(point: tuple) -> bytes:
    inverse = pow(point[2], -1, ED_P)
    x, y = point[0] * inverse % ED_P, point[1] * inverse % ED_P
    return (y + ((x % 2) << 255)).to_bytes(32, "little")


def ed_add(p: tuple, q: tuple) -> tuple:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % ED_P, (p[1] + p[0]) * (q[1] + q[0]) % ED_P
    c, d = 2 * p[3] * q[3] * ED_D % ED_P, 2 * p[2] * q[2] % ED_P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % ED_P, g * h % ED_P, f * g % ED_P, e * h % ED_P


def ed_times(point: tuple, number: int) -> tuple:
    total = ED_IDENTITY
    for bit in f"{number:b}":
        total = ed_add(total, total)
        if bit == "1":
            total = ed_add(total, point)
    return total


ED_B = ed_decode((4 * pow(5, -1, ED_P) % ED_P).to_bytes(32, "little")) or ED_IDENTITY


@lru_cache(maxsize=64)
def has_order_l(key: bytes) -> bool:
    point, identity = ed_decode(key), ed_encode(ED_IDENTITY)
    return point is not None and key != identity and ed_encode(ed_times(point, ED_L)) == identity


def check_receipt_key(promise: dict) -> tuple[bytes, str]:
    """The key, if it is the one encoding of a point of order L: with another, a signature could fit two messages."""
    key = bytes.fromhex(promise["receipt_key"])
    if ed_decode(key) is None:
        raise Flaw(f"receipt_key {key.hex()} is not the canonical encoding of a point")
    if not has_order_l(key):
        raise Flaw(f"receipt_key {key.hex()} is not a point of order L")
    return key, "a point of order L"


def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Is this the signature of a key that `check_receipt_key` has let pass?"""
    point, s = ed_decode(key), int.from_bytes(signature[32:], "little")
    if point is None or s >= ED_L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ED_L
    minus_a = (-point[0] % ED_P, point[1], 1, -point[3] % ED_P)
    reached = ed_encode(ed_add(ed_times(ED_B, s), ed_times(minus_a, h)))
    return reached == signature[:32] and reached != ed_encode(ED_IDENTITY)


# 3.3 Heads and receipts

HEAD = {"size": COUNT, "root": hex_of(32), "at": COUNT, "signature": hex_of(64)}
RECEIPT = {
    "protocol": TEXT,
    "raffle": UUID,
    "manifest_hash": hex_of(32),
    "entry_id": UUID,
    "first_ticket": POSITIVE,
    "count": POSITIVE,
    "holder": hex_of(32),
    "nonce": OrNull(hex_of(32)),
    "at": COUNT,
    "signature": hex_of(64),
}
SLACK = 60  # seconds within which a leaf must be in a head


def read_signed(data: bytes, shape: dict, what: str) -> dict:
    """A receipt or head of the right form; Unreadable if it is none."""
    try:
        value = parse_json(data)
        conform(value, shape, what)
    except Flaw as flaw:
        raise Unreadable(f"not a {what}: {flaw}") from None
    return dict(value)


def read_head(data: bytes, bundle: dict, key: bytes) -> tuple[dict, str]:
    head = read_signed(data, HEAD, "head")
    signed = bytes.fromhex(bundle["manifest_hash"]) + u64(head["size"]) + bytes.fromhex(head["root"]) + u64(head["at"])
    if not is_signed(key, bytes.fromhex(head["signature"]), b"luxewin/head/v2" + signed):
        raise Unreadable("not a head of this raffle's log: its signature is not by the manifest's receipt_key")
    return head, f"signed by the manifest's receipt_key: {head['size']} leaves at {head['at']}"


def check_head(head: dict, log: Log, drawn_at: int | None) -> str:
    """The log's first leaves are those that the head signs."""
    if head["size"] > log.size and drawn_at is not None and head["at"] < drawn_at:
        raise Flaw(
            f"a head of before the draw (at {head['at']}) has {head['size']} leaves, but log.size is {log.size}: "
            "leaves were taken away"
        )
    if head["size"] > len(log):
        raise NotChecked(f"the head has {head['size']} leaves, this log file only {len(log)}: get the log again")
    same(log.root(head["size"]).hex(), head["root"], f"the root of the log's first {head['size']} leaves")
    late = next((place for place in range(head["size"]) if log.times[place] > head["at"]), None)
    if late is not None:
        raise Flaw(f"leaf {late} has at = {log.times[late]}, later than the head's, {head['at']}")
    return f"the log's first {head['size']} leaves are those that were signed"


def receipt_leaf(receipt: dict) -> bytes:
    """The leaf hash that a receipt promises."""
    numbers = receipt["first_ticket"], receipt["count"], bytes.fromhex(receipt["holder"]), receipt["at"]
    return sha256(b"\x00" + LEAF.pack(ENTERED, uuid_bytes(receipt["entry_id"]), *numbers))


def read_receipt(data: bytes, bundle: dict, key: bytes) -> dict:
    """A receipt for this manifest. Unreadable if it is none, NotChecked for another manifest's, Flaw for another one's
    of this very raffle."""
    receipt = read_signed(data, RECEIPT, "receipt")
    if receipt["protocol"] != PROTOCOL:
        raise Unreadable(f"not a receipt: its protocol is {shown(receipt['protocol'])}")
    signed = uuid_bytes(receipt["raffle"]) + bytes.fromhex(receipt["manifest_hash"]) + receipt_leaf(receipt)
    valid = is_signed(key, bytes.fromhex(receipt["signature"]), b"luxewin/receipt/v2" + signed)
    if receipt["manifest_hash"] == bundle["manifest_hash"]:
        if not valid:
            raise Unreadable("not a receipt: its signature is not by the manifest's receipt_key")
        return receipt
    named = f"another manifest's: {receipt['manifest_hash']} of raffle {receipt['raffle']}"
    if valid and receipt["raffle"] == bundle["raffle"]:
        raise Flaw(f"{named}, signed by this raffle's key: two manifests were shown for one raffle")
    raise NotChecked(f"{named}; " + ("signed by this key" if valid else "whose key this manifest does not name"))


def judge_receipt(
    data: bytes, bundle: dict, key: bytes, entries: Entries | None, log: Log | None, head: dict | None
) -> str:
    """What became of a receipt's purchase; Flaw if it was left out."""
    receipt = read_receipt(data, bundle, key)
    numbers = receipt["first_ticket"], receipt["count"], bytes.fromhex(receipt["holder"])
    record = RECORD.pack(uuid_bytes(receipt["entry_id"]), *numbers)
    tickets = f"tickets {receipt['first_ticket']} to {receipt['first_ticket'] + receipt['count'] - 1}"
    named = f"entry {receipt['entry_id']}, {tickets}"
    if log is not None and head is not None and head["at"] > receipt["at"] + SLACK:
        size = min(head["size"], len(log))
        if not log.holds(receipt_leaf(receipt), size):
            raise Flaw(f"left out: {named}: its leaf is not in the head of {head['at'] - receipt['at']} s later")
    if entries is None:
        raise NotChecked(f"{named}: whether it is in, only a usable entries file tells")
    doubt = ""
    if receipt["nonce"] is not None and sha256(bytes.fromhex(receipt["nonce"])) != numbers[2]:
        doubt = "; its nonce does not give the holder"
    if entries.holds(record):
        if log is not None and not log.holds(receipt_leaf(receipt), log.size):
            doubt += "; the log's leaf has another time than the receipt"
        return f"in: {named}{doubt}"
    if log is None:
        raise NotChecked(f"{named} is not among the entries; whether it was withdrawn or left out, the log would tell")
    place = log.withdrawn.get(record[:16])
    if place is not None and log.entry_record(place) == record:
        return f"withdrawn: {named}, by leaf {place} of the log; contest that with this receipt and a bank statement"
    raise Flaw(f"left out: {named}: signed as bought, but neither among the entries nor withdrawn")


# --------------------------------------------------------------------------------------------------------------------
# 4. Commitment
# --------------------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a bundle tells of entries whose file cannot be used: even so, its own sums must fit together."""

    tickets: int
    root: bytes


def told_entries(bundle: dict) -> Told:
    tickets = bundle["entries"]["tickets"]
    return Told(tickets, u64(tickets) + bytes.fromhex(bundle["entries"]["root"]))


def commitment_of(bundle: dict, entries: Entries | Told, log: Log | None) -> bytes:
    """Computed from the files; without the log file, its root is the bundle's word."""
    root = log.root(log.size) if log is not None else bytes.fromhex(bundle["log"]["root"])
    opened = entries.root[8:] + u64(entries.tickets) + root + u64(bundle["log"]["size"])
    return sha256(b"luxewin/commitment/v2" + opened)


def check_commitment(bundle: dict, commitment: bytes) -> str:
    same(bundle["commitment"], commitment.hex(), "commitment")
    return str(bundle["commitment"])


def broken_times(bundle: dict, promise: dict, entries: Entries | None, log: Log | None) -> Iterator[str]:
    """Every rule on the moment of the commitment that does not hold."""
    committed_at = bundle["place"]["committed_at"]
    opens, closes = seconds(promise["opens_at"]), seconds(promise["closes_at"])
    last = closes + promise["commit_within_seconds"]
    if committed_at > last:
        yield f"committed_at is {committed_at}, expected at most closes_at + commit_within_seconds, {last}"
    if committed_at < opens:
        yield f"committed_at is {committed_at}, before opens_at, {opens}"
    elif committed_at < closes:
        given = max(entries.last_ticket if entries else 0, log.tickets_given if log else 0)
        if given < promise["capacity"] and log is None:
            raise NotChecked("committed before closes_at: whether the raffle was sold out, only the log tells")
        if given != promise["capacity"]:
            yield (
                f"committed_at is {committed_at}, before closes_at, {closes}, and the raffle was not sold out: "
                f"{given} of {promise['capacity']} tickets were given"
            )


def broken_tickets(promise: dict, entries: Entries) -> Iterator[str]:
    if not promise["min_tickets"] <= entries.tickets <= promise["capacity"]:
        yield (
            f"N is {entries.tickets}, expected from min_tickets, {promise['min_tickets']}, "
            f"to capacity, {promise['capacity']}"
        )


def climb(pick: dict) -> tuple[bytes, int]:
    """The root (40 bytes) that a pick's path leads to, and the tickets before its entry."""
    numbers = pick["first_ticket"], pick["count"], bytes.fromhex(pick["holder"])
    reached = u64(pick["count"]) + sha256(b"\x00" + RECORD.pack(uuid_bytes(pick["entry_id"]), *numbers))
    before = 0
    for step in pick["path"]:
        sibling = u64(step["sum"]) + bytes.fromhex(step["hash"])
        if step["side"] == "left":
            reached, before = sum_node(sibling, reached), before + step["sum"]
        else:
            reached = sum_node(reached, sibling)
    return reached, before


def included(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The log's root that an inclusion proof leads to (RFC 9162, 2.1.3.2); Flaw with a hash too many or too few.

    No file holds such a proof: this is for those who asked the operator for one instead of the whole log.
    """
    if index >= size:
        raise Flaw(f"the index {index} is not below the size {size}")
    place, last, reached = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise Flaw("the proof has a hash too many")
        if place % 2 or place == last:
            reached = log_node(sibling, reached)
            while not place % 2 and place:
                place, last = place // 2, last // 2
        else:
            reached = log_node(reached, sibling)
        place, last = place // 2, last // 2
    if last:
        raise Flaw("the proof has a hash too few")
    return reached


# --------------------------------------------------------------------------------------------------------------------
# 5. Beacon: the curve BLS12-381, in pure Python
#
# Everything is plain and slow on purpose (affine points, school-book multiplication, one whole final exponentiation).
# All inputs are public, so nothing here has to run in constant time.
# --------------------------------------------------------------------------------------------------------------------

X = 0xD201000000010000  # the curve's parameter is -X
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
R = X**4 - X**2 + 1  # the order of G1, G2 and the pairing's values

# 5.1 Fields. Fp2 = Fp[u] / (u^2 + 1), an element is (a, b) = a + b*u. Points of both groups have coordinates in Fp2;
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


# 5.2 Groups. G1 lies on y^2 = x^3 + 4, G2 on its twist y^2 = x^3 + 4*(1 + u).

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

# 5.3 Pairing: the ate pairing's Miller loop over X. The curve's parameter is negative, which would only invert the
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


# 5.4 Hashing to G1: RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_

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


# 5.5 The round and its signature

SCHEME = "bls-unchained-g1-rfc9380"
QUICKNET = {
    "chain_hash": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "public_key": "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510"
    "d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    "genesis_time": 1692803367,
    "period": 3,
    "scheme": SCHEME,
}


def read_beacon(data: bytes) -> dict:
    """The beacon that the user trusts; Unreadable unless all five members are named."""
    try:
        beacon = parse_json(data)
        conform(beacon, BEACON, "beacon")
    except Flaw as flaw:
        raise Unreadable(f"not a beacon as in a manifest: {flaw}") from None
    return dict(beacon)


def check_beacon(promise: dict, trusted: dict | None) -> str:
    """Is this the beacon that it seems to be? All five members count: another genesis makes a past round fit."""
    beacon = promise["beacon"]
    same(beacon["scheme"], SCHEME, "the manifest's beacon.scheme")
    others = [name for name, value in QUICKNET.items() if beacon[name] != value]
    if others and not {"chain_hash", "public_key"} <= set(others):
        found = "; ".join(f"{name} is {shown(beacon[name])}, expected {shown(QUICKNET[name])}" for name in others)
        raise Flaw(f"it passes itself off as drand quicknet: {found}")
    if trusted is not None:
        for name in BEACON:
            same(beacon[name], trusted[name], f"the manifest's beacon.{name} (against the beacon that you named)")
        return "the beacon that you named"
    if others:
        raise NotChecked("a foreign beacon, not drand quicknet: whoever holds its key could have chosen the randomness")
    return "drand quicknet, all five members"


def round_time(beacon: dict, number: int) -> int:
    return int(beacon["genesis_time"] + (number - 1) * beacon["period"])


def due_round(promise: dict, committed_at: int) -> int:
    """The first round at or after the commitment and the delay."""
    beacon = promise["beacon"]
    due = committed_at + promise["delay_seconds"]
    return int(max(0, -((beacon["genesis_time"] - due) // beacon["period"])) + 1)  # the quotient is rounded up


def check_round(bundle: dict, promise: dict) -> str:
    committed_at = bundle["place"]["committed_at"]
    expected = due_round(promise, committed_at)
    same(bundle["beacon"]["round"], expected, "beacon.round")
    due = committed_at + promise["delay_seconds"]
    return f"round {expected}, at {round_time(promise['beacon'], expected)}, is the first at or after {due}"


@lru_cache(maxsize=64)
def point_of(data: bytes) -> Point:
    return decompress(data)


@lru_cache(maxsize=64)
def is_beacon_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    points = {}
    for name, data in (("public_key", public_key), ("signature", signature)):
        try:
            points[name] = point_of(data)
        except Flaw as flaw:
            raise Flaw(f"beacon.{name}: {flaw}") from None
    return pairings_cancel([(points["signature"], negative(G2)), (hash_to_g1(message), points["public_key"])])


def check_signature(bundle: dict, promise: dict) -> str:
    same(promise["beacon"]["scheme"], SCHEME, "the manifest's beacon.scheme")
    number, message = bundle["beacon"]["round"], sha256(u64(bundle["beacon"]["round"]))
    public_key, signature = bytes.fromhex(promise["beacon"]["public_key"]), bytes.fromhex(bundle["beacon"]["signature"])
    if not is_beacon_signature(public_key, message, signature):
        raise Flaw(f"the signature is not the public key's signature of round {number}")
    return f"the BLS signature of round {number} is by the manifest's key"


def check_randomness(bundle: dict) -> str:
    expected = sha256(bytes.fromhex(bundle["beacon"]["signature"])).hex()
    same(bundle["beacon"]["randomness"], expected, "beacon.randomness")
    return expected


# --------------------------------------------------------------------------------------------------------------------
# 6. Seed and picks
# --------------------------------------------------------------------------------------------------------------------


def draw_seed(bundle: dict, commitment: bytes, tickets: int) -> bytes:
    """Computed from the first facts (manifest, files, signature), not from the bundle's sums of them."""
    return sha256(
        b"luxewin/draw/v2"
        + bytes.fromhex(json.loads(bundle["manifest"])["beacon"]["chain_hash"])
        + u64(bundle["beacon"]["round"])
        + sha256(bytes.fromhex(bundle["beacon"]["signature"]))
        + sha256(bundle["manifest"].encode())
        + commitment
        + u64(tickets)
    )


def check_seed(bundle: dict, seed: bytes) -> str:
    same(bundle["seed"], seed.hex(), "seed")
    return str(bundle["seed"])


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


def wanted_picks(promise: dict, tickets: int) -> int:
    return min(tickets, len(promise["prizes"]) + promise["alternates"])


def check_pick_count(bundle: dict, entries: Entries | Told, promise: dict) -> str:
    expected = wanted_picks(promise, entries.tickets)
    same(len(bundle["picks"]), expected, "the number of picks")
    return f"{expected} picks"


def wrong_picks(bundle: dict, seed: bytes, entries: Entries | Told, promise: dict) -> Iterator[str]:
    """Every pick that does not follow from the seed and the entries; whether these are enough is another check."""
    indices = picked_indices(seed, entries.tickets, min(100, len(bundle["picks"])))
    for number, (pick, index) in enumerate(zip(bundle["picks"], indices), start=1):  # noqa: B905 -- Python 3.9
        wins = number <= len(promise["prizes"])
        expected: dict[str, Any] = {
            "position": number,
            "role": "winner" if wins else "alternate",
            "prize": number if wins else None,
            "index": index,
        }
        if isinstance(entries, Entries):
            place = entries.holding(index)
            entry_id, first_ticket, count, holder = entries.entry(place)
            expected["ticket"] = first_ticket + index - entries.before[place]
            expected["entry_id"] = uuid_text(entry_id)
            expected.update({"first_ticket": first_ticket, "count": count, "holder": holder.hex()})
        for name, value in expected.items():
            if type(pick[name]) is not type(value) or pick[name] != value:
                yield f"the {name} of pick {number} is {shown(pick[name])}, expected {shown(value)}"


def wrong_paths(bundle: dict, entries: Entries | Told) -> Iterator[str]:
    """By hashing up from the pick's own numbers: the entry and its place, proved without the entries file's order."""
    for number, pick in enumerate(bundle["picks"], start=1):
        try:
            reached, before = climb(pick)
        except Flaw as flaw:
            yield f"the path of pick {number}: {flaw}"
            continue
        if reached != entries.root:
            yield f"the path of pick {number} does not lead to the root and N"
        elif not before <= pick["index"] < before + pick["count"]:
            yield f"the path of pick {number} proves an entry that does not hold its index"


# --------------------------------------------------------------------------------------------------------------------
# 7. Bundle
# --------------------------------------------------------------------------------------------------------------------

PICK = {
    "position": POSITIVE,
    "role": text_like("winner or alternate", "winner|alternate"),
    "prize": OrNull(POSITIVE),
    "index": COUNT,
    "ticket": POSITIVE,
    "entry_id": UUID,
    "first_ticket": POSITIVE,
    "count": POSITIVE,
    "holder": hex_of(32),
    "path": [{"side": text_like("left or right", "left|right"), "sum": POSITIVE, "hash": hex_of(32)}],
}
MINED = {"transaction": TRANSACTION, "block": COUNT}
BUNDLE = {
    "protocol": TEXT,
    "raffle": UUID,
    "manifest": TEXT,
    "manifest_hash": hex_of(32),
    "entries": {"root": hex_of(32), "tickets": POSITIVE, "count": POSITIVE, "url": TEXT},
    "log": {"size": COUNT, "root": hex_of(32), "url": TEXT},
    "commitment": hex_of(32),
    "place": {"committed_at": OrNull(COUNT), "announce": OrNull(MINED), "commit": OrNull(MINED)},
    "beacon": {"round": OrNull(POSITIVE), "signature": OrNull(hex_of(48)), "randomness": OrNull(hex_of(32))},
    "seed": OrNull(hex_of(32)),
    "picks": [PICK],
    "settlement": OrNull(MINED),
}


def read_bundle(data: bytes) -> tuple[dict, str]:
    bundle = parse_json(data)
    conform(bundle, BUNDLE, "bundle")
    same(bundle["protocol"], PROTOCOL, "the bundle's protocol")
    return bundle, f"{len(data)} bytes, every member of section 7 and no other"


def is_committed(bundle: dict) -> bool:
    return bundle["place"]["committed_at"] is not None


def is_drawn(bundle: dict) -> bool:
    return bundle["seed"] is not None


def broken_stage(bundle: dict, promise: dict) -> Iterator[str]:
    """Members that are null, or are not, against how far the draw has come and where it is anchored."""
    place, beacon, anchored = bundle["place"], bundle["beacon"], promise["anchor"] is not None
    committed, drawn = is_committed(bundle), is_drawn(bundle)
    named = {
        "place.announce": (place["announce"], anchored),
        "place.commit": (place["commit"], anchored and committed),
        "beacon.signature": (beacon["signature"], drawn),
        "beacon.randomness": (beacon["randomness"], drawn),
    }
    if drawn or not committed:
        named["beacon.round"] = (beacon["round"], committed)
    for name, (value, expected) in named.items():
        if (value is not None) != expected:
            why = f"the draw is {'drawn' if drawn else 'committed' if committed else 'not committed'}, "
            why += "anchored" if anchored else "not anchored"
            yield f"{name} is {shown(value)}, expected {'a value' if expected else 'null'}: {why}"
    if drawn and not committed:
        yield "seed is given, but place.committed_at is null"
    if bool(bundle["picks"]) != drawn:
        yield f"there are {len(bundle['picks'])} picks, but seed is {shown(bundle['seed'])}"
    if bundle["settlement"] is not None and not (anchored and drawn):
        yield f"settlement is {shown(bundle['settlement'])}, expected null: the draw is not both drawn and anchored"


# --------------------------------------------------------------------------------------------------------------------
# 8. On-chain: the contract, asked through the nodes that the user names
# --------------------------------------------------------------------------------------------------------------------

# The contract's runtime code. What the constructor writes behind it (the constants) is asked for by name. Both are
# those of `runtime` in verification/contract/draws.json.
RUNTIME_BYTES = 10929
RUNTIME_SHA256 = "d6cf6da835995b6e3f45c5aed96b686d7f3fc184f4f37a289fdb3547aa1f9a50"

# The first four bytes of the Keccak-256 of each signature; Python has no Keccak.
SELECTORS = {
    "draws(bytes32)": "a41e4c70",
    "CHAIN_HASH()": "9acbc4ca",
    "GENESIS_TIME()": "f2882461",
    "PERIOD()": "b4d1d795",
    "VOID_AFTER()": "cdd63b99",
    "public_key()": "e0e349c4",
}
DRAW_WORDS = [
    "status",
    "raffle",
    "sequence",
    "delay_seconds",
    "commit_by",
    "announced_at",
    "committed_at",
    "tickets",
    "wanted",
    "round",
    "commitment",
    "seed",
    "void_at",
]
UNKNOWN, ANNOUNCED, COMMITTED, SETTLED, VOID, LAPSED = range(6)
NODE_BYTES_MAX, NODE_SECONDS, CALL_SECONDS = 1 << 20, 20, 60


def web() -> urllib.request.OpenerDirector:
    """What opens addresses of nodes: http and https, nothing else, and no redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def ask(url: str, method: str, *parameters: Any) -> Any:
    """A node's answer; NotChecked if there is none, or none that can be read."""
    question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "luxewin-verifier"}
    data, started = b"", time.monotonic()
    try:
        request = urllib.request.Request(url, question, headers)  # noqa: S310 -- http and https only, see `read_options`
        with web().open(request, timeout=NODE_SECONDS) as response:
            while len(data) <= NODE_BYTES_MAX:
                piece = response.read1(NODE_BYTES_MAX)
                if not piece:
                    break
                data += piece
                if time.monotonic() - started > CALL_SECONDS:
                    raise NotChecked(f"{shown(url)} takes longer than {CALL_SECONDS} s to answer {method}")
        answer = json.loads(data) if len(data) <= NODE_BYTES_MAX else None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise NotChecked(
            f"{shown(url)} does not answer {method}: {shown(str(error) or type(error).__name__)}"
        ) from None
    if type(answer) is not dict or "result" not in answer or answer.get("error") is not None:
        problem = answer.get("error") if type(answer) is dict else None
        raise NotChecked(f"{shown(url)} answers {method} with no result: {shown(problem)}")
    return answer["result"]


def hex_answer(url: str, method: str, *parameters: Any) -> bytes:
    found = ask(url, method, *parameters)
    if type(found) is not str or not re.fullmatch("0x[0-9a-fA-F]*", found):
        raise NotChecked(f"{shown(url)} answers {method} oddly: {shown(found)}")
    return bytes.fromhex(found[2:] if len(found) % 2 == 0 else "0" + found[2:])


def block_of(url: str, which: str) -> tuple[int, str]:
    """Number and hash of a block."""
    block = ask(url, "eth_getBlockByNumber", which, False)
    number, digest = (block.get("number"), block.get("hash")) if type(block) is dict else (None, None)
    if not (type(number) is str and re.fullmatch("0x[0-9a-fA-F]{1,13}", number)):
        raise NotChecked(f"{shown(url)} knows no block {shown(which)}: {shown(block)}")
    if not (type(digest) is str and re.fullmatch("0x[0-9a-fA-F]{64}", digest)):
        raise NotChecked(f"{shown(url)} gives block {shown(which)} no hash: {shown(digest)}")
    return int(number, 16), digest.lower()


def look_at_place(nodes: Sequence[str], bundle: dict, promise: dict) -> tuple[dict[str, Any], str]:
    """What all nodes say of the contract at one finalized block. NotChecked unless they all answer, and alike."""
    number = min(block_of(node, "finalized")[0] for node in nodes)
    answers: dict[str, dict[str, Any]] = {}
    for node in nodes:
        found_number, digest = block_of(node, hex(number))
        chain_id = int.from_bytes(hex_answer(node, "eth_chainId"), "big")
        facts = facts_of(node, hex(number), bundle, promise)
        answers[node] = {"chain id": chain_id, "block": found_number, "block hash": digest, **facts}
    first, *others = answers.items()
    for node, answer in others:
        for name, value in answer.items():
            if value != first[1][name]:
                raise NotChecked(
                    f"nodes contradict each other: {name} is {shown(first[1][name])} at {shown(first[0])}, "
                    f"{shown(value)} at {shown(node)}"
                )
    if first[1]["block"] != number:
        raise NotChecked(f"asked for block {number}, the nodes answer with block {first[1]['block']}")
    announced = (bundle["place"]["announce"] or {}).get("block", 0)
    if announced > number:
        raise NotChecked(f"announced in block {announced}, which is not final yet: the newest that is, is {number}")
    return first[1], f"{len(nodes)} of {len(nodes)} nodes agree at finalized block {number}, {first[1]['block hash']}"


def facts_of(node: str, block: str, bundle: dict, promise: dict) -> dict[str, bytes]:
    contract = promise["anchor"]["contract"]
    facts = {"code": hex_answer(node, "eth_getCode", contract, block)}
    if facts["code"]:
        for signature, selector in SELECTORS.items():
            arguments = bundle["manifest_hash"] if signature == "draws(bytes32)" else ""
            call = {"to": contract, "data": "0x" + selector + arguments}
            facts[signature] = hex_answer(node, "eth_call", call, block)
    return facts


def word_of(facts: dict, signature: str) -> int:
    if len(facts[signature]) != 32:
        raise Flaw(f"the contract answers {signature} with {len(facts[signature])} bytes, expected 32")
    return int.from_bytes(facts[signature], "big")


def wrong_contract(facts: dict, promise: dict) -> Iterator[str]:
    """What of chain, code and constants is not as pinned or promised."""
    anchor, beacon = promise["anchor"], promise["beacon"]
    if facts["chain id"] != anchor["chain_id"]:
        yield f"the chain id is {facts['chain id']}, expected {anchor['chain_id']}"
    code = facts["code"]
    if not code:
        yield f"there is no code at {anchor['contract']}"
        return
    if len(code) < RUNTIME_BYTES or hashlib.sha256(code[:RUNTIME_BYTES]).hexdigest() != RUNTIME_SHA256:
        yield f"the code at {anchor['contract']} ({len(code)} bytes) is not the pinned runtime code"
    expected = {
        "CHAIN_HASH()": int(beacon["chain_hash"], 16),
        "GENESIS_TIME()": beacon["genesis_time"],
        "PERIOD()": beacon["period"],
        "VOID_AFTER()": promise["void_after_seconds"],
    }
    for signature, value in expected.items():
        try:
            found = word_of(facts, signature)
        except Flaw as flaw:
            yield str(flaw)
            continue
        if found != value:
            yield f"the contract's {signature} is {found:#x}, expected {value:#x}"
    try:
        (x_0, x_1), (y_0, y_1) = point_of(bytes.fromhex(beacon["public_key"]))
    except Flaw:
        return  # named by the check of the signature
    if facts["public_key()"] != b"".join(number.to_bytes(64, "big") for number in (x_0, x_1, y_0, y_1)):
        yield "the contract's public_key() is not the manifest's beacon.public_key"


def read_draw(facts: dict) -> tuple[dict[str, int], str]:
    """The contract's answer, a number for each word."""
    data = facts.get("draws(bytes32)", b"")
    if len(data) != 32 * len(DRAW_WORDS):
        raise Flaw(f"the contract answers draws() with {len(data)} bytes, expected {32 * len(DRAW_WORDS)}")
    words = (int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32))
    draw = dict(zip(DRAW_WORDS, words))  # noqa: B905 -- Python 3.9
    if draw["status"] > LAPSED:
        raise Flaw(f"the contract gives the draw a status of {draw['status']}, expected 0 to {LAPSED}")
    return draw, f"status {draw['status']}: " + (
        "unknown", "announced", "committed", "settled", "void", "lapsed"
    )[draw["status"]]  # fmt: skip


def wrong_draw(
    bundle: dict, promise: dict, draw: dict, number: int, log: Log | None, commitment: bytes
) -> Iterator[str]:
    """What the contract tells of the draw, unlike bundle and manifest, at the block of this number."""
    place, status = bundle["place"], draw["status"]
    if status == UNKNOWN:
        if place["announce"]["block"] > number:
            raise NotChecked(f"announced in block {place['announce']['block']}, which is not final yet")
        yield "the contract knows no draw of this manifest hash"
        return
    expected = {
        "raffle": int.from_bytes(uuid_bytes(promise["raffle"]) + bytes(16), "big"),
        "sequence": promise["sequence"],
        "delay_seconds": promise["delay_seconds"],
        "commit_by": seconds(promise["closes_at"]) + promise["commit_within_seconds"],
    }
    if is_committed(bundle) and status in (COMMITTED, SETTLED):
        expected["committed_at"] = place["committed_at"]
        expected["tickets"] = bundle["entries"]["tickets"]
        expected["wanted"] = wanted_picks(promise, bundle["entries"]["tickets"])
        expected["round"] = due_round(promise, place["committed_at"])
    if status == COMMITTED:
        expected["commitment"] = int.from_bytes(commitment, "big")
    if status == SETTLED and is_drawn(bundle):
        expected["seed"] = int(bundle["seed"], 16)
    for name, value in expected.items():
        if draw[name] != value:
            yield f"the contract's {name} is {draw[name]:#x}, expected {value:#x}"
    if log is not None and log.times and draw["announced_at"] > min(log.times):
        yield f"announced_at is {draw['announced_at']:#x}, expected at most the earliest leaf's at, {min(log.times):#x}"
    yield from wrong_status(bundle, draw, number)


def wrong_status(bundle: dict, draw: dict, number: int) -> Iterator[str]:
    place, settlement, status = bundle["place"], bundle["settlement"], draw["status"]
    if status == ANNOUNCED and is_committed(bundle):
        if place["commit"]["block"] > number:
            raise NotChecked(f"committed in block {place['commit']['block']}, which is not final yet")
        yield "the contract has no commitment of this draw"
    if status == COMMITTED and settlement is not None and settlement["block"] <= number:
        yield f"settled in block {settlement['block']}, says the bundle; the contract's draw is not settled"
    if status == VOID and is_drawn(bundle):
        yield "the contract has declared the draw void: it has no result"
    if status == LAPSED and is_committed(bundle):
        yield "the contract says that the draw lapsed: no commitment came in time"


# --------------------------------------------------------------------------------------------------------------------
# 9. Verdicts
# --------------------------------------------------------------------------------------------------------------------

OK, FAILED, UNCHECKED, UNUSABLE, NOTE = "ok", "FAILED", "not checked", "unusable", "note"
EXIT_CODES = {"VERIFIED": 0, "NOT VERIFIED": 1, "NOT JUDGED": 2, "CONSISTENT": 3}


class Line(NamedTuple):
    """One line of the report: what was looked at, what came of it, and why."""

    state: str
    name: str
    detail: str


class Report:
    """The checks run so far, in order, and what every verdict names."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.facts: list[tuple[str, str]] = []
        self.development = False
        self.complete = False  # until it is, nothing is verified

    def add(self, state: str, name: str, detail: str) -> None:
        self.lines.append(Line(state, name, detail))

    def run(self, name: str, step: Callable[..., Any], *needs: Any) -> Any:
        """Run one check and return its value, None if there is none. It does not run without the values it needs."""
        if any(need is None for need in needs):
            self.add(UNCHECKED, name, "a check that it builds on has failed or did not run")
            return None
        value = None
        try:
            found = step(*needs)
            value, detail = found if type(found) is tuple else (True, found)
            self.add(OK, name, detail)
        except Flaw as flaw:
            self.add(FAILED, name, str(flaw))
        except NotChecked as reason:
            self.add(UNCHECKED, name, str(reason))
        except Unreadable as error:
            self.add(UNUSABLE, name, str(error))
        return value

    def rules(self, name: str, holds: str, broken: Callable[..., Iterable[str]], *needs: Any) -> bool | None:
        """Run a check of several rules, and name each that is broken. True if all hold, else None."""

        def step() -> str:
            for fault in broken(*needs):
                faults.append(fault)  # noqa: PERF402 -- what was found before it could go no further counts
            if faults:
                raise Flaw(faults.pop(0))
            return holds

        faults: list[str] = []
        found: bool | None = self.run(name, step, *(None for need in needs if need is None))
        for fault in faults:
            self.add(FAILED, name, fault)
        return found

    def having(self, state: str) -> list[Line]:
        return [line for line in self.lines if line.state == state]

    @property
    def verdict(self) -> str:
        if self.having(FAILED):
            return "NOT VERIFIED"
        if self.having(UNUSABLE) or not self.complete:
            return "NOT JUDGED"
        return "CONSISTENT" if self.development or self.having(UNCHECKED) else "VERIFIED"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


@dataclass
class Given:
    """What the user gave besides bundle and entries."""

    log: BinaryIO | None = None
    nodes: Sequence[str] = ()
    beacon: bytes | None = None
    head: bytes | None = None
    receipts: Sequence[tuple[str, bytes]] = ()  # named


def verify(data: bytes, entries_file: BinaryIO, given: Given | None = None) -> Report:
    """Every check of a bundle (its bytes) against an entries file and what else was given."""
    report, given = Report(), given or Given()
    bundle = report.run("bundle", lambda: read_bundle(data))
    if bundle is None:
        return report
    promise = verify_promise(report, bundle, given)
    committed, drawn = is_committed(bundle), is_drawn(bundle)
    stage = report.rules("bundle stage", "what does not exist yet is null", broken_stage, bundle, promise)
    entries, log = verify_files(report, bundle, promise, entries_file, given)
    # A log that was given and cannot be used is not as good as none.
    files = None if entries is None or (given.log is not None and log is None) else (entries, log)
    opened = report.run("commitment opened", lambda files: (commitment_of(bundle, *files), "computed"), files)
    sums: Entries | Told = entries or told_entries(bundle)
    commitment = opened or commitment_of(bundle, sums, log)
    report.run("commitment", check_commitment, bundle, commitment)
    report.rules("number of tickets", "min_tickets <= N <= capacity", broken_tickets, promise, entries)
    drawn_at = None
    if committed and promise is not None:
        drawn_at = round_time(promise["beacon"], due_round(promise, bundle["place"]["committed_at"]))
        holds = "committed after the sale, and in time"
        broken = lambda promise: broken_times(bundle, promise, entries, log)  # noqa: E731
        report.rules("time of the commitment", holds, broken, promise)
    if not committed:
        report.add(UNCHECKED, "draw", "the entries are not committed yet: there is no round and no result")
    elif not drawn:
        report.add(UNCHECKED, "draw", f"the round is awaited, at {drawn_at}: there is no result yet")
        if bundle["beacon"]["round"] is not None:
            report.run("round", check_round, bundle, promise)
    else:
        told = (bundle["place"]["committed_at"], bundle["beacon"]["round"], bundle["beacon"]["signature"])
        verify_draw(report, bundle, None if None in told else promise, sums, commitment)
    verify_place(report, bundle, promise, given, (log, opened if stage else None))
    verify_signed(report, bundle, promise, given, (entries, log, drawn_at))
    report.facts = list(facts_for_people(bundle, promise, log))
    report.development = promise is not None and is_development(promise)
    report.complete = True
    return report


def verify_promise(report: Report, bundle: dict, given: Given) -> dict | None:
    """Section 1, and the beacon's identity; the manifest if it can be read."""
    promise: dict | None = report.run("manifest", read_manifest, bundle)
    report.run("manifest canonical", check_canonical, bundle, promise)
    report.run("manifest hash", check_manifest_hash, bundle)
    report.run("manifest raffle", check_raffle, bundle, promise)
    report.rules("manifest rules", "every rule of section 1 holds", broken_promises, promise)
    if given.beacon is None:
        report.run("beacon", lambda promise: check_beacon(promise, None), promise)
    else:
        content = given.beacon
        trusted = report.run("beacon file", lambda: (read_beacon(content), "read"))
        report.run("beacon", check_beacon, promise, trusted)
    return promise


def verify_files(
    report: Report, bundle: dict, promise: dict | None, entries_file: BinaryIO, given: Given
) -> tuple[Entries | None, Log | None]:
    """Sections 2 and 3, but for outcomes and what is signed."""
    run, rules, size = report.run, report.rules, bundle["log"]["size"]
    entries = run("entries file", read_entries, entries_file, bundle["entries"]["count"])
    rules("entries rules", "ordered by ticket, none overlap, none twice", broken_entries, entries, promise)
    run("entries", check_entries_told, bundle, entries)
    if given.log is None:
        report.add(UNCHECKED, "log", "no log file was given: whether anybody was left out cannot be seen")
        return entries, None
    log = run("log file", read_log, given.log, size, len(bundle["picks"]))
    run("log root", check_log_root, bundle, log)
    committed_at = bundle["place"]["committed_at"]
    holds = "ticket numbers follow one another, withdrawals repeat what they withdraw, every time is in the sale"
    rules("log rules", holds, lambda log, promise: broken_log(log, promise, committed_at), log, promise)
    run("entries follow from the log", check_entries_follow, log, entries)
    return entries, log


def verify_draw(report: Report, bundle: dict, promise: dict | None, entries: Entries | Told, commitment: bytes) -> None:
    """Sections 5 and 6."""
    run, rules = report.run, report.rules
    run("round", check_round, bundle, promise)
    run("beacon signature", check_signature, bundle, promise)
    run("randomness", lambda _: check_randomness(bundle), promise)
    source = "from the files" if isinstance(entries, Entries) else "from the bundle's own sums"
    seed = run("seed computed", lambda _: (draw_seed(bundle, commitment, entries.tickets), source), promise)
    run("seed", check_seed, bundle, seed)
    run("number of picks", check_pick_count, bundle, entries, promise)
    rules("picks", "each follows from the seed and the entries", wrong_picks, bundle, seed, entries, promise)
    rules("paths", "each leads from the entry to the root", wrong_paths, bundle, entries)


def verify_place(
    report: Report, bundle: dict, promise: dict | None, given: Given, files: tuple[Log | None, bytes | None]
) -> None:
    """Section 8, as far as section 9 has it looked at."""
    if promise is not None and promise["anchor"] is None:
        report.add(UNCHECKED, "place", "the draw has no anchor: when it was committed is the operator's word")
        return
    if not given.nodes:
        report.add(UNCHECKED, "place", "no node was named (--rpc URL): the chain was not asked")
        return
    facts = report.run("place", lambda bundle, promise: look_at_place(given.nodes, bundle, promise), bundle, promise)
    holds = "chain, code and constants are as pinned and promised"
    # Another code can answer whatever it likes.
    if not report.rules("contract", holds, wrong_contract, facts, promise):
        facts = None
    draw = report.run("draw on the chain", read_draw, facts)
    log, commitment = files
    if given.log is None or log is None:
        report.add(UNCHECKED, "announced first", "without the log, its leaves' times are not known")
    holds = "raffle, sequence, delay, deadline, times, entries and result are the bundle's"
    compare = lambda draw, facts, commitment: wrong_draw(bundle, promise or {}, draw, facts["block"], log, commitment)  # noqa: E731
    report.rules("place of the draw", holds, compare, draw, facts, commitment)
    if draw is not None and draw["void_at"]:
        report.add(NOTE, "void", f"the contract says that the draw may be made void from {draw['void_at']} on")


def verify_signed(
    report: Report,
    bundle: dict,
    promise: dict | None,
    given: Given,
    files: tuple[Entries | None, Log | None, int | None],
) -> None:
    """What the operator signed or says: outcomes, a head, receipts."""
    entries, log, drawn_at = files
    key = report.run("receipt key", check_receipt_key, promise)
    head = None
    if given.head is not None:
        content = given.head
        head = report.run("head", lambda key: read_head(content, bundle, key), key)
        report.run("log against the head", lambda head, log: check_head(head, log, drawn_at), head, log)
    if log is not None and promise is not None and len(log) > log.size:
        picks = bundle["picks"]
        broken = lambda log, promise: broken_outcomes(log, promise, picks, drawn_at)  # noqa: E731
        report.rules("outcomes", f"{len(log) - log.size} follow section 3", broken, log, promise)
        for line in outcomes_for_people(log, head):
            report.add(NOTE, "outcome", line)
    for name, content in given.receipts:
        judge = lambda key, content=content: judge_receipt(content, bundle, key, entries, log, head)  # noqa: E731
        report.run(f"receipt {shown(name)}", judge, key)


def outcomes_for_people(log: Log, head: dict | None) -> Iterator[str]:
    for place in range(log.size, len(log)):
        leaf = log.leaf(place)
        told = f"forfeited prize {leaf.b}" if leaf.kind == FORFEITED else f"was handed prize {leaf.b}"
        why = ", unclaimed" if leaf.x == sha256(b"unclaimed") else ""
        proof = "signed in the head" if head is not None and head["size"] > place else "the operator's word"
        yield f"pick {leaf.a} {told}{why} at {leaf.at} ({proof})"


def facts_for_people(bundle: dict, promise: dict | None, log: Log | None) -> Iterator[tuple[str, str]]:
    """What every verdict names, whatever it is."""
    if promise is None:
        yield "raffle", str(bundle["raffle"])
        return
    anchor, delay = promise["anchor"], promise["delay_seconds"]
    yield "title", f"{shown(promise['title'])} by {shown(promise['operator'])}"
    yield "raffle", f"{promise['raffle']}, sequence {promise['sequence']}"
    yield "chain", f"{anchor['chain_id']}, contract {anchor['contract']}" if anchor else "none"
    note = ": a reorganisation, or a clock that far behind, could have chosen the round" if delay < 900 else ""
    yield "delay", f"{delay} s{note}"
    withdrawn = withdrawal_count(log) if log else "how many were withdrawn, the log would tell"
    yield "tickets", f"{bundle['entries']['tickets']} in the draw; {withdrawn}"
    names = {prize["position"]: prize["name"] for prize in promise["prizes"]}
    for pick in bundle["picks"]:
        won = f"prize {pick['prize']}, {shown(names.get(pick['prize']))}" if pick["prize"] else "alternate"
        yield f"pick {pick['position']}", f"ticket {pick['ticket']}: {won}"
    if not bundle["picks"]:
        yield "picks", "none yet"


LAST_LINES = {
    "VERIFIED": "every check holds, also at the draw's place on its chain",
    "CONSISTENT": "no check fails; what was not checked is named above",
    "NOT VERIFIED": "a check fails",
    "NOT JUDGED": "a file cannot be used",
}


def print_report(report: Report) -> None:
    if report.development:
        print("DEVELOPMENT: chain 31337 is on a developer's own machine, and proves nothing to others")
    for line in report.lines:
        print(f"{line.state:<12}{line.name}: {line.detail}")
    for name, value in report.facts:
        print(f"{'':<12}{name}: {value}")
    failures = len(report.having(FAILED))
    detail = f"{failures} check{'s' * (failures > 1)} failed" if failures else LAST_LINES[report.verdict]
    print(f"{report.verdict}: {detail}")


def print_json(report: Report) -> None:
    value = {"verdict": report.verdict, "exit_code": report.exit_code, "development": report.development}
    lines = [line._asdict() for line in report.lines]
    print(json.dumps({**value, "facts": [list(fact) for fact in report.facts], "checks": lines}, indent=1))


# 9.1 The command line


def kind_of(path: str) -> str:
    """What a file seems to be, so that two in each other's place are said to be swapped; "" if it is hard to say."""
    with open_file(path, TABLE_BYTES_MAX) as file:
        start = file.readline(LINE_BYTES_MAX)
        for header, kind in ((ENTRIES_HEADER, "an entries file"), (LOG_HEADER, "a log")):
            if start.rstrip() == header:
                return kind
        if not start.lstrip().startswith(b"{"):
            return ""
        data = start + file.read(JSON_BYTES_MAX)
    try:
        value = parse_json(data)
    except (Flaw, Unreadable):
        return ""
    members = {
        "a bundle": {"manifest", "picks"},
        "a receipt": {"entry_id", "holder"},
        "a head": {"root", "size"},
        "a beacon": {"chain_hash", "public_key"},
        "a manifest": {"prizes", "capacity"},
    }
    return next((kind for kind, names in members.items() if type(value) is dict and names <= value.keys()), "")


def refuse_swapped(options: argparse.Namespace) -> None:
    """Unreadable if a file is in another's place."""
    places = zip(options.files, ("a bundle", "an entries file", "a log"))  # noqa: B905 -- Python 3.9
    named = [(path, kind) for path, kind in ((options.beacon, "a beacon"), (options.head, "a head")) if path]
    for path, expected in [*places, *named, *((path, "a receipt") for path in options.receipt)]:
        found = kind_of(path)
        if found and found != expected:
            raise Unreadable(f"{shown(path)} is {found}, but {expected} belongs there: are two files swapped?")


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """The command's words; exits with 2 on misuse."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s bundle.json entries.csv [log.csv] [--rpc URL ...] [--beacon FILE] [--head FILE] "
        "[--receipt FILE ...] [--json]",
        description="Check a LuxeWin draw from its public files.",
        epilog="Exit code: 0 VERIFIED, 3 CONSISTENT (something was not checked), 1 NOT VERIFIED, 2 misuse or a file "
        "that cannot be used.",
    )
    parser.add_argument("files", nargs="+", help="the bundle, the entries file and, better, the log")
    parser.add_argument("--rpc", nargs="+", action="extend", default=[], metavar="URL", help="a node of the chain")
    parser.add_argument("--beacon", metavar="FILE", help="accept this beacon: the object as in the manifest")
    parser.add_argument("--head", metavar="FILE", help="a signed head of the log")
    parser.add_argument("--receipt", nargs="+", action="extend", default=[], metavar="FILE", help="a buyer's receipt")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    options = parser.parse_args(arguments)
    if not 2 <= len(options.files) <= 3:
        parser.error("give the bundle and the entries file, and the log if you have it, before any option")
    for url in options.rpc:
        if not re.match("https?://", url):
            parser.error(f"--rpc takes addresses that begin with http:// or https://, not {shown(url)}")
    return options


def verify_paths(options: argparse.Namespace) -> Report:
    """Read the named files and verify the draw. Raises Unreadable if one cannot be read."""
    refuse_swapped(options)
    files = [open_file(path, TABLE_BYTES_MAX) for path in options.files[1:]]
    try:
        given = Given(
            log=files[1] if len(files) > 1 else None,
            nodes=list(dict.fromkeys(options.rpc)),
            beacon=read_small(options.beacon, SMALL_BYTES_MAX) if options.beacon else None,
            head=read_small(options.head, SMALL_BYTES_MAX) if options.head else None,
            receipts=[(path, read_small(path, SMALL_BYTES_MAX)) for path in options.receipt],
        )
        return verify(read_small(options.files[0], JSON_BYTES_MAX), files[0], given)
    finally:
        for file in files:
            file.close()


def main(arguments: list[str] | None = None) -> int:
    """The command; `arguments` without the programme's name. Returns the exit code."""
    options = read_options(arguments)
    gc.disable()  # it would walk through millions of lines again and again, and there are no cycles to find
    try:
        report = verify_paths(options)
        (print_json if options.json else print_report)(report)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the report went away: nothing was said to anybody, so nothing is verified
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except (Unreadable, OSError) as error:
        print(f"NOT JUDGED: {error if isinstance(error, Unreadable) else shown(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print("NOT JUDGED: too large for this machine's memory", file=sys.stderr)
        return 2
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
