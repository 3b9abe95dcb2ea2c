"""Every byte of a bundle, its entries and its log changed, every shorter file: the verifier notices.

Only what a bundle says of the outside world, which nobody can see offline, may change unnoticed: OUTSIDE lists it.
"""

import io
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from verification import verifier

from .verifier_draws import PURCHASES, WITHDRAWN, development_draw, log_of

CHAIN = "only the chain can say: without a node it is not checked"
OUTSIDE = {
    ("entries", "url"): "where the file was found, not what is in it",
    ("log", "url"): "where the file was found, not what is in it",
    ("place", "committed_at"): "another moment that leads to the same round",
    ("place", "announce", "transaction"): CHAIN,
    ("place", "announce", "block"): CHAIN,
    ("place", "commit", "transaction"): CHAIN,
    ("place", "commit", "block"): CHAIN,
    ("settlement", "transaction"): CHAIN,
    ("settlement", "block"): CHAIN,
}
PRIZES = [{"position": 1, "name": "Watch", "value": None, "cash_alternative": None}]
DRAW = development_draw(
    log_of(PURCHASES[:3], WITHDRAWN[:1]), chain_id=42_220, prizes=PRIZES, alternates=1, title="A watch", conditions=""
)
# No blank between two values: changed into another blank it would be the same JSON.
BUNDLE = json.dumps(DRAW.bundle, separators=(",", ":")).encode()
CSV, LOG = DRAW.files[1:]
SLICES = 12


@pytest.fixture(autouse=True, scope="module")
def signatures_judged_once() -> Iterator[None]:
    """The real check, remembered by all that it reads: most changes leave the signature as it was."""
    real = verifier.is_beacon_signature

    @cache
    def judged(*facts: bytes) -> tuple[bool, str]:
        try:
            return real(*facts), ""
        except verifier.Flaw as flaw:
            return False, str(flaw)

    def is_beacon_signature(*facts: bytes) -> bool:
        valid, flaw = judged(*facts)
        if flaw:
            raise verifier.Flaw(flaw)
        return valid

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifier, "is_beacon_signature", is_beacon_signature)
        yield


def holds(bundle: bytes, csv: bytes, log: bytes | None) -> bool:
    """Whether no check fails; if one does, it is named and the command would exit with 1 or 2."""
    given = verifier.Given(log=None if log is None else io.BytesIO(log))
    report = verifier.verify(bundle, io.BytesIO(csv), given)
    assert all(line.detail and line.detail.isascii() for line in report.lines)
    assert report.verdict != "VERIFIED"
    return report.verdict == "CONSISTENT"


def changes(data: bytes, part: int) -> Iterator[tuple[int, bytes]]:
    """Each byte of one part in SLICES: another by its lowest bit or its case, a quote, and no byte at all."""
    for place in range(part * len(data) // SLICES, (part + 1) * len(data) // SLICES):
        old = data[place]
        for other in sorted({old ^ 0x01, old ^ 0x20, ord('"')} - {old}):
            yield place, data[:place] + bytes([other]) + data[place + 1 :]
        yield place, data[:place] + data[place + 1 :]


def changed_places(one: Any, other: Any, at: tuple = ()) -> Iterator[tuple]:
    """Where two JSON values differ, as the names that lead there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name, value in one.items():
            yield from changed_places(value, other[name], (*at, name))
    elif one != other:
        yield at


def unnoticed(part: int) -> set[tuple]:
    found: set[tuple] = set()
    for place, changed in changes(BUNDLE, part):
        if holds(changed, CSV, LOG):
            where = list(changed_places(DRAW.bundle, json.loads(changed)))
            assert len(where) == 1, f"byte {place} is another spelling of the same: {changed[place - 20 : place + 20]}"
            found.update(where)
    return found


def test_the_unchanged_files_hold() -> None:
    assert holds(BUNDLE, CSV, LOG)
    assert holds(BUNDLE, CSV, None)


@pytest.mark.parametrize("part", range(SLICES))
def test_any_changed_byte_of_the_bundle_is_noticed_but_what_is_outside(part: int) -> None:
    assert unnoticed(part) <= OUTSIDE.keys()


@pytest.mark.parametrize("place", OUTSIDE, ids=".".join)
def test_what_is_outside_is_just_what_is_listed(place: tuple[str, ...]) -> None:
    """Each of them can change, so none is listed in vain."""
    bundle = json.loads(BUNDLE)
    inside: Any = bundle
    for name in place[:-1]:
        inside = inside[name]
    old = inside[place[-1]]
    inside[place[-1]] = old - 1 if isinstance(old, int) else old[:-1] + "7"
    assert bundle != DRAW.bundle
    assert holds(json.dumps(bundle).encode(), CSV, LOG)


@pytest.mark.parametrize("part", range(SLICES))
def test_any_changed_byte_of_the_entries_file_is_noticed(part: int) -> None:
    assert [place for place, changed in changes(CSV, part) if holds(BUNDLE, changed, LOG)] == []
    assert [place for place, changed in changes(CSV, part) if holds(BUNDLE, changed, None)] == []


@pytest.mark.parametrize("part", range(SLICES))
def test_any_changed_byte_of_the_log_is_noticed(part: int) -> None:
    assert [place for place, changed in changes(LOG, part) if holds(BUNDLE, CSV, changed)] == []


def test_every_shorter_file_is_refused() -> None:
    for end in range(0, len(BUNDLE), 3):
        assert not holds(BUNDLE[:end], CSV, LOG), end
        assert end == 0 or not holds(BUNDLE[end:], CSV, LOG), end
    assert [end for end in range(len(CSV)) if holds(BUNDLE, CSV[:end], LOG)] == []
    assert [end for end in range(len(LOG)) if holds(BUNDLE, CSV, LOG[:end])] == []


@pytest.mark.parametrize("which", ["entries", "log"])
def test_any_two_lines_that_change_places_are_noticed(which: str) -> None:
    header, *rows = (CSV if which == "entries" else LOG).splitlines(keepends=True)

    def still_holds(lines: list[bytes]) -> bool:
        data = header + b"".join(lines)
        return holds(BUNDLE, data, LOG) if which == "entries" else holds(BUNDLE, CSV, data)

    for place in range(len(rows)):
        others = rows[:place] + rows[place + 1 :]
        for there in range(len(rows)):
            moved = [*others[:there], rows[place], *others[there:]]
            assert still_holds(moved) is (moved == rows)
        assert not still_holds(others)
        assert not still_holds([*rows[: place + 1], *rows[place:]])
