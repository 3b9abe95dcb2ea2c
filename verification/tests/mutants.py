"""Files of draws, changed at random: bytes, members, lines, numbers; also with what follows from them made anew."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, NamedTuple

from .verifier_draws import (
    OTHER_KEY,
    PURCHASES,
    WITHDRAWN,
    Draw,
    Leaf,
    canonical,
    commitment_of,
    csv_of,
    development_draw,
    hold,
    log_csv_of,
    log_of,
    quicknet_draw,
    seconds,
    seed_of,
    sha,
    to_bytes,
)

CLOSES = seconds("2026-02-01T00:00:00Z")
NUMBERS = [0, 1, 2, 3, 10, 99, 100, 101, 599, 600, 86_399, 86_400, 604_799, 604_800, 31_536_000, 31_536_001]
NUMBERS += [2**32, 2**53 - 2, 2**53 - 1, 2**53]
JUNK = [None, True, -1, 1.5, "", "x", [], {}, "00" * 32, "0x" + "00" * 32, "ab" * 31, "\ud800", "1", [[]], {"a": 1}]
TIMES = [
    *("1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-02-01T00:00:00Z"),
    *("2026-02-01T00:00:01Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "9999-12-31T23:59:59Z"),
    *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01t00:00:00z"),
]


class Files(NamedTuple):
    """What a verifier is given."""

    bundle: bytes
    entries: bytes
    log: bytes | None
    receipt: bytes | None


@cache
def draws() -> list[Draw]:
    """Honest ones, of every stage, place and size."""
    many = [(f"00000000-0000-4000-8000-{n:012x}", 1 + n % 3) for n in range(33)]
    whole = development_draw()
    return [
        whole,
        whole.with_outcomes(whole.forfeit(1, 1), whole.claim(2, 2), whole.claim(3, 1)),
        development_draw(chain_id=31337, delay_seconds=0, void_after_seconds=1),
        development_draw(chain_id=1),
        development_draw(chain_id=1, made={"stage": "published"}),
        development_draw(made={"stage": "committed"}),
        development_draw(capacity=33, made={"committed_at": 1_767_400_000}),
        development_draw(log_of(many, [entry_id for entry_id, _ in many[5::7]]), min_tickets=0),
        development_draw(log_of(PURCHASES[:1], []), min_tickets=0),
        quicknet_draw(chain_id=1),
    ]


def mutants(seed: int, count: int) -> Iterator[tuple[str, Files]]:
    """So many changed draws, each with the names of what was done to it; always the same for the same seed."""
    for number in range(count):
        yield mutant(Random(f"{seed}/{number}"))


def mutant(dice: Random) -> tuple[str, Files]:
    draw, names = dice.choice(draws()), []
    if dice.random() < 0.5:
        change = dice.choice(REMAKING)
        names.append(change.__name__)
        draw = change(dice, draw)
    receipt = receipt_for(dice, draw) if dice.random() < 0.5 else None
    log = None if dice.random() < 0.1 else log_csv_of(draw.log)
    files = Files(to_bytes(draw.bundle), csv_of(draw.entries), log, receipt)
    for _ in range(dice.choice([0, 1, 1, 2]) if names else dice.choice([1, 1, 1, 2, 3])):
        of, changes = dice.choice(FILES)
        data = getattr(files, of)
        if data is None:
            continue
        edit = dice.choice(changes)
        names.append(f"{edit.__name__} of the {of}")
        files = files._replace(**{of: edit(dice, data)})
    return ", ".join(names) or "nothing", files


# Changes after which all that follows is made anew


def remade(draw: Draw, *, text: str | None = None, log: list[Leaf] | None = None, **made: Any) -> Draw:
    """The draw held again; as it was if nothing can be held of that."""
    told, size = draw.bundle, draw.bundle["log"]["size"]
    stage = "drawn" if told["seed"] else "committed" if told["place"]["committed_at"] else "published"
    text = text or told["manifest"]
    facts: dict[str, Any] = {"stage": stage, "committed_at": told["place"]["committed_at"] or CLOSES + 100}
    if json.loads(draw.bundle["manifest"])["beacon"]["chain_hash"] != "ab" * 32 and stage == "drawn":
        facts |= {"signature": bytes.fromhex(told["beacon"]["signature"])}
    if "committed_at" not in made:
        facts["round_number"] = told["beacon"]["round"] or 23_301_668
    if log is None and "log_size" not in made:
        facts["log_size"] = size
    try:
        again = hold(text, draw.log if log is None else log, **facts | made)
        assert again.files
    except (ArithmeticError, AssertionError, AttributeError, KeyError, LookupError, TypeError, ValueError):
        return draw
    return again


def other_promise(dice: Random, draw: Draw) -> Draw:
    """A member of the manifest, or two, replaced."""
    manifest = draw.manifest
    for _ in range(dice.choice([1, 1, 2])):
        put_anything(dice, manifest)
    return remade(draw, text=canonical(manifest))


def other_leaf(dice: Random, draw: Draw) -> Draw:
    """A number, a holder or an id of a leaf, and with it the entries."""
    log = list(draw.log[: draw.bundle["log"]["size"]])
    place, name = dice.randrange(len(log)), dice.choice(Leaf._fields)
    value = getattr(log[place], name)
    log[place] = log[place]._replace(
        **{name: near(dice, value) if isinstance(value, int) else getattr(dice.choice(log), name)}
    )
    return remade(draw, log=log)


def other_leaf_alone(dice: Random, draw: Draw) -> Draw:
    """The same, but the entries stay."""
    again = other_leaf(dice, draw)
    return remade(draw, log=again.log, entries=draw.entries)


def other_leaves(dice: Random, draw: Draw) -> Draw:
    """Leaves dropped, doubled or in another order."""
    size = draw.bundle["log"]["size"]
    return remade(draw, log=shuffled(dice, draw.log[:size]))


def other_entries(dice: Random, draw: Draw) -> Draw:
    """Entries dropped, doubled, in another order or with other numbers than the log's."""
    entries = shuffled(dice, draw.entries)
    if entries and dice.random() < 0.5:
        place, name = dice.randrange(len(entries)), dice.choice(["first_ticket", "count"])
        entries[place] = entries[place]._replace(**{name: near(dice, getattr(entries[place], name))})
    return remade(draw, entries=entries)


def other_size(dice: Random, draw: Draw) -> Draw:
    """Another number of leaves is committed to."""
    return remade(draw, log_size=dice.randrange(len(draw.log) + 1))


def other_moment(dice: Random, draw: Draw) -> Draw:
    """Another time of the commitment, and the round that follows."""
    at = dice.choice([CLOSES + 86_400, CLOSES + 86_401, CLOSES, CLOSES - 1, 1_767_400_000, 1_767_300_020, 0])
    return remade(draw, committed_at=at)


def other_round(dice: Random, draw: Draw) -> Draw:
    """Another round than the one that follows."""
    return remade(draw, round_number=dice.choice([1, 23_301_667, 23_301_669]))


def other_outcomes(dice: Random, draw: Draw) -> Draw:
    """Leaves of kinds 3 and 4 that may or may not keep the rules."""
    if not draw.bundle["picks"]:
        return draw
    leaves = []
    for _ in range(dice.randint(1, 4)):
        position = dice.randint(1, len(draw.bundle["picks"]))
        prize = dice.choice([0, 1, 1, 2, 2, position])
        after = dice.choice([-1, 0, 3600, 1_209_599, 1_209_600, 3_000_000])
        if dice.random() < 0.5:
            leaves.append(draw.claim(position, prize, after))
        else:
            leaves.append(draw.forfeit(position, prize, dice.choice(["unclaimed", "ineligible"]), after))
    if dice.random() < 0.2:
        place, name = dice.randrange(len(leaves)), dice.choice(["kind", "a", "b", "at"])
        leaves[place] = leaves[place]._replace(**{name: dice.choice(NUMBERS[:-1])})
    return draw.with_outcomes(*leaves)


def restated(dice: Random, draw: Draw) -> Draw:
    """A member of the bundle, and the bundle's own sums of it: hash, commitment, randomness and seed."""
    bundle = copy.deepcopy(draw.bundle)
    put_anything(dice, bundle)
    try:
        told = bundle["entries"]
        committed = draw.log[: bundle["log"]["size"]]
        bundle["manifest_hash"] = sha(bundle["manifest"].encode()).hex()
        commitment = commitment_of(bytes.fromhex(told["root"]), told["tickets"], committed)
        bundle["commitment"] = commitment.hex()
        if bundle["seed"]:
            signature = bytes.fromhex(bundle["beacon"]["signature"])
            bundle["beacon"]["randomness"] = sha(signature).hex()
            number = bundle["beacon"]["round"]
            bundle["seed"] = seed_of(bundle["manifest"], number, signature, commitment, told["tickets"]).hex()
    except (ArithmeticError, AttributeError, KeyError, LookupError, TypeError, ValueError):
        pass
    return replace(draw, bundle=bundle)


def shuffled(dice: Random, items: list[Any]) -> list[Any]:
    items = list(items)
    for _ in range(dice.choice([1, 1, 2])):
        if not items:
            break
        one, other = dice.randrange(len(items)), dice.randrange(len(items))
        match dice.randrange(4):
            case 0:
                del items[one]
            case 1:
                items.insert(other, items[one])
            case 2:
                items[one], items[other] = items[other], items[one]
            case _:
                del items[one:]
    return items


def near(dice: Random, value: int) -> int:
    return dice.choice([max(0, value - 1), value + 1, value + 1, *dice.sample(NUMBERS[:-1], 2)])


# Changes of a JSON value, in place


def inside(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and its name or number there."""
    names = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, name) for name in names] + [place for name in names for place in inside(value[name])]


def put_anything(dice: Random, value: Any) -> None:
    places = inside(value)
    holder, name = dice.choice(places)
    former = holder[name]
    alike = [other[at] for other, at in places if type(other[at]) is type(former)]
    kinds: list[Callable[[], Any]] = [lambda: dice.choice(JUNK), lambda: copy.deepcopy(dice.choice(alike))]
    if type(former) is int:
        kinds += [lambda: near(dice, former)] * 4
    if type(former) is str:
        kinds += [lambda: dice.choice(TIMES) if former.endswith("Z") else flipped_text(dice, former)] * 4
    if isinstance(former, list):
        kinds += [lambda: shuffled(dice, former)] * 3
    match dice.randrange(12):
        case 0:
            del holder[name]
        case 1 if isinstance(holder, dict):
            holder[dice.choice(["note", "__proto__", "seed", ""])] = holder[name]
        case _:
            holder[name] = dice.choice(kinds)()


def flipped_text(dice: Random, text: str) -> str:
    if not text:
        return "x"
    at = dice.randrange(len(text))
    return text[:at] + dice.choice("0123456789abcdefABCDEF-x Z\u20ac") + text[at + 1 :]


# Changes of a file's bytes


def flip(dice: Random, data: bytes) -> bytes:
    if not data:
        return b"\0"
    changed = bytearray(data)
    changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice: Random, data: bytes) -> bytes:
    return data[: dice.choice([dice.randrange(len(data) + 1), max(0, len(data) - 1)])]


def stretch(dice: Random, data: bytes) -> bytes:
    at = dice.choice([dice.randrange(len(data) + 1), len(data)])
    return data[:at] + dice.choice([b"0", b"\n", b" ", b"\r\n", b"\xef\xbb\xbf", b",", b'"', b"1" * 300]) + data[at:]


def lines(dice: Random, data: bytes) -> bytes:
    return b"".join(shuffled(dice, data.splitlines(keepends=True)))


def fields(dice: Random, data: bytes) -> bytes:
    """A number of a line changed, or two of its fields swapped."""
    rows = data.split(b"\n")
    place = dice.randrange(len(rows))
    cells = rows[place].split(b",")
    one, other = dice.randrange(len(cells)), dice.randrange(len(cells))
    if cells[one].isdigit() and dice.random() < 0.7 and len(cells[one]) < 20:
        cells[one] = str(near(dice, int(cells[one]))).encode()
    else:
        cells[one], cells[other] = cells[other], cells[one]
    rows[place] = b",".join(cells)
    return b"\n".join(rows)


def member(dice: Random, data: bytes) -> bytes:
    """A member of a JSON object, or two, replaced."""
    try:
        value = json.loads(data)
        for _ in range(dice.choice([1, 1, 2])):
            put_anything(dice, value)
        return json.dumps(value).encode()
    except (ValueError, IndexError, RecursionError):
        return flip(dice, data)


def literal(dice: Random, data: bytes) -> bytes:
    """One that two readers could take in two ways."""
    odd = [
        b"1e0",
        b"-0",
        b"1.0",
        b"NaN",
        b"01",
        b"9007199254740992",
        b'"\\ud800"',
        b'{"a":1,"a":1}',
        b"[" * 200,
        b"nul",
    ]
    spots = [at for at in range(len(data)) if data[at : at + 2] == b": "]
    if not spots:
        return flip(dice, data)
    at = dice.choice(spots) + 2
    end = min((found for mark in b",}]" if (found := data.find(mark, at)) >= 0), default=len(data))
    return data[:at] + dice.choice(odd) + data[end:]


def wrong_manifest(dice: Random, data: bytes) -> bytes:
    """The manifest's text changed where it stands in the bundle."""
    try:
        value = json.loads(data)
        text = value["manifest"].encode()
        change = dice.choice([flip, cut, stretch, literal])
        value["manifest"] = change(dice, text.replace(b":", b": ") if change is literal else text).decode()
        if dice.random() < 0.5:
            value["manifest_hash"] = sha(value["manifest"].encode()).hex()
        return json.dumps(value).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return flip(dice, data)


BYTES = [flip, flip, cut, stretch]
FILES: list[tuple[str, list[Callable[[Random, bytes], bytes]]]] = [
    ("bundle", [*BYTES, member, member, member, literal, wrong_manifest]),
    ("entries", [*BYTES, lines, lines, fields, fields]),
    ("log", [*BYTES, lines, lines, fields, fields]),
    ("receipt", [*BYTES, member, member, member, literal]),
]
REMAKING = [
    *(other_promise, other_promise, other_promise, other_leaf, other_leaf, other_leaf_alone, other_leaves),
    *(other_entries, other_entries, other_size, other_moment, other_round, other_outcomes, other_outcomes, restated),
]


def receipt_for(dice: Random, draw: Draw) -> bytes:
    """A receipt, honest or one that this draw does not keep, signed."""
    honest = draw if draw.log else development_draw()
    log = honest.log
    entered = [place for place, leaf in enumerate(log) if leaf.kind == 1] or [0]
    place = dice.choice(entered)
    changed: dict[str, Any] = {}
    if dice.random() < 0.5:
        leaf = log[place]
        changed = dice.choice(
            [
                {"count": leaf.b + 1},
                {"first_ticket": leaf.a + 1},
                {"at": leaf.at + dice.choice([1, 61])},
                {"entry_id": "99999999-9999-4999-8999-999999999999"},
                {"entry_id": dice.choice(WITHDRAWN)},
                {"holder": "ab" * 32, "nonce": None},
                {"nonce": None},
                {"nonce": "ab" * 32},
                {"raffle": "99999999-9999-4999-8999-999999999999"},
                {"manifest_hash": "ab" * 32},
                {"manifest_hash": "ab" * 32, "raffle": "99999999-9999-4999-8999-999999999999"},
                {"protocol": "luxewin/draw/v1"},
            ]
        )
    try:
        receipt = honest.receipt(place, **({"key": OTHER_KEY} if dice.random() < 0.1 else {}), **changed)
    except (ValueError, TypeError, AttributeError, OverflowError):
        receipt = development_draw().receipt(0)
    return to_bytes(receipt)
