"""The verifier's microscope room: every byte of a bundle and of its entries file changed, every shorter file.

Only what a bundle says of the outside world, which nobody can see offline, may change unnoticed: OUTSIDE lists it.
"""

import io
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from verification import verifier
from verification.tests.verifier_draws import ENTRIES, csv_of, development_draw

CHAIN = "only the chain can say; the report names it as NOT checked"
OUTSIDE = {
    ("entries", "url"): "where the file was found, not what is in it",
    ("commitment", "committed_at"): "another moment that leads to the same round",
    ("commitment", "chain_id"): CHAIN,
    ("commitment", "contract"): CHAIN,
    ("commitment", "transaction"): CHAIN,
    ("commitment", "block"): CHAIN,
    ("settlement", "transaction"): CHAIN,
    ("settlement", "block"): CHAIN,
}


def anchored_draw() -> dict[str, Any]:
    bundle = development_draw(ENTRIES[:3], prizes=[{"position": 1, "name": "Watch"}], alternates=1, title="A watch")
    place = {"anchored": True, "chain_id": 42220, "contract": "ab" * 20, "transaction": "cd" * 32, "block": 123}
    bundle["commitment"] |= place
    bundle["settlement"] = {"transaction": "ef" * 32, "block": 456}
    return bundle


DRAW, CSV = anchored_draw(), csv_of(ENTRIES[:3])
# No blank between two values: changed into another blank it would be the same JSON.
BUNDLE = json.dumps(DRAW, separators=(",", ":")).encode()
SLICES = 12


@pytest.fixture(autouse=True)
def signatures_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real check, remembered by all that it reads: most changes leave the signature as it was."""
    real = verifier.check_signature

    @cache
    def judged(beacon: str) -> tuple[tuple[bool, str] | None, str]:
        try:
            return real({"beacon": json.loads(beacon)}, False), ""
        except verifier.Flaw as flaw:
            return None, str(flaw)

    def check_signature(bundle: dict, pure: bool) -> tuple[bool, str]:
        names = ("scheme", "public_key", "round", "signature")
        passed, flaw = judged(json.dumps({name: bundle["beacon"][name] for name in names}))
        if passed is None:
            raise verifier.Flaw(flaw)
        return passed

    monkeypatch.setattr(verifier, "check_signature", check_signature)


def judged(bundle: bytes, csv: bytes) -> bool:
    """Whether the files are verified; if not, checks are named and the command would exit with 1."""
    report = verifier.verify(bundle, io.BytesIO(csv))
    failed = [check for check in report.checks if not check.ok]
    assert len(report.checks) == 26
    assert bool(failed) is not report.verified
    assert all(check.detail and check.detail.isascii() for check in failed)
    return report.verified


def changes(data: bytes, part: int) -> Iterator[tuple[int, bytes]]:
    """Each byte of one part in SLICES: another by its lowest bit or its case, a quote, and no byte at all."""
    for place in range(part * len(data) // SLICES, (part + 1) * len(data) // SLICES):
        old = data[place]
        others = {old ^ 0x01, old ^ 0x20, ord('"')} - {old}
        for other in sorted(others):
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
        if judged(changed, CSV):
            where = list(changed_places(DRAW, json.loads(changed)))
            assert len(where) == 1, f"byte {place} is another spelling of the same: {changed[place - 20 : place + 20]}"
            found.update(where)
    return found


def test_the_unchanged_files_are_verified() -> None:
    assert judged(BUNDLE, CSV)


@pytest.mark.parametrize("part", range(SLICES))
def test_any_changed_byte_of_the_bundle_is_noticed_but_what_is_outside(part: int) -> None:
    assert unnoticed(part) <= OUTSIDE.keys()


@pytest.mark.parametrize("place", OUTSIDE, ids=".".join)
def test_what_is_outside_is_just_what_is_listed(place: tuple[str, str]) -> None:
    """Each of them can change, so none is listed in vain; and the report says so of each that the chain decides."""
    bundle = json.loads(BUNDLE)
    outer, name = place
    old = bundle[outer][name]
    bundle[outer][name] = old - 1 if isinstance(old, int) else "1" + old[1:]
    report = verifier.verify(json.dumps(bundle).encode(), io.BytesIO(CSV))
    assert report.verified
    if OUTSIDE[place] == CHAIN:
        assert any("NOT checked here" in note and str(bundle[outer][name]) in note for note in report.notes)


@pytest.mark.parametrize("committed", [-1, 0, 1, 2, 3])
def test_the_moment_of_commitment_may_move_within_its_round_only(committed: int) -> None:
    bundle = json.loads(BUNDLE)
    last = bundle["commitment"]["committed_at"]  # the last moment that leads to the round
    bundle["commitment"]["committed_at"] = last - committed
    assert judged(json.dumps(bundle).encode(), CSV) is (0 <= committed < bundle["beacon"]["period"])


@pytest.mark.parametrize("part", range(SLICES))
def test_any_changed_byte_of_the_entries_file_is_noticed(part: int) -> None:
    for place, changed in changes(CSV, part):
        # Without its last line's end the file says the same.
        assert not judged(BUNDLE, changed) or changed == CSV[:-1], place


def test_every_shorter_bundle_is_refused() -> None:
    for end in range(len(BUNDLE)):
        assert not judged(BUNDLE[:end], CSV), end
        assert end == 0 or not judged(BUNDLE[end:], CSV), end


def test_every_shorter_entries_file_is_refused() -> None:
    for end in range(len(CSV) - 1):
        assert not judged(BUNDLE, CSV[:end]), end
    assert judged(BUNDLE, CSV[:-1])


def test_any_two_rows_that_change_places_are_noticed() -> None:
    header, *rows = CSV.splitlines(keepends=True)
    for place in range(len(rows)):
        others = rows[:place] + rows[place + 1 :]
        for there in range(len(rows)):
            moved = [*others[:there], rows[place], *others[there:]]
            assert judged(BUNDLE, header + b"".join(moved)) is (moved == rows)
        assert not judged(BUNDLE, header + b"".join(others))
        assert not judged(BUNDLE, header + b"".join([*rows[: place + 1], *rows[place:]]))
