"""The verifier's storm room: whatever happens to the two files, it neither raises nor verifies a changed draw."""

import copy
import io
import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from verification import verifier
from verification.tests.verifier_draws import ENTRIES, csv_of, development_draw, to_bytes

DRAW = development_draw(ENTRIES[:3])
BUNDLE, CSV = to_bytes(DRAW), csv_of(ENTRIES[:3])
calm = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=80)
    | st.sampled_from(["00" * 32, 2**63]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def verified(bundle: bytes, csv: bytes) -> bool:
    report = verifier.verify(bundle, io.BytesIO(csv))
    assert len(report.checks) == 26
    assert all(check.detail.isascii() for check in report.checks)
    return report.verified


def says(data: bytes) -> Any:
    """What of a bundle can be verified offline: not its address, and of its time only the round that follows."""
    try:
        bundle = json.loads(data)
        del bundle["entries"]["url"]
        bundle["commitment"]["committed_at"] = (bundle["commitment"]["committed_at"] - 1_700_000_000) // -3
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return bundle


def places(value: Any, at: tuple = ()) -> list[tuple]:
    """Every place in a JSON value, as the names and numbers that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, item in inner for place in places(item, (*at, name)))]


def test_the_unchanged_files_are_verified() -> None:
    assert verified(BUNDLE, CSV)


@calm
@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_a_bundle_with_a_byte_changed_is_never_verified(place: int, mask: int) -> None:
    changed = bytearray(BUNDLE)
    changed[place] ^= mask
    assert not verified(bytes(changed), CSV) or says(bytes(changed)) == says(BUNDLE)


@calm
@given(st.integers(0, len(CSV) - 1), st.integers(1, 255))
def test_an_entries_file_with_a_byte_changed_is_never_verified(place: int, mask: int) -> None:
    changed = bytearray(CSV)
    changed[place] ^= mask
    assert not verified(BUNDLE, bytes(changed))


@calm
@given(st.sampled_from(places(DRAW)), JUNK)
def test_any_value_of_any_type_in_any_place_is_judged(place: tuple, junk: Any) -> None:
    changed = {"": copy.deepcopy(DRAW)}
    inside: Any = changed
    *outer, last = ("", *place)
    for name in outer:
        inside = inside[name]
    inside[last] = junk
    data = json.dumps(changed[""]).encode()
    assume(says(data) != says(BUNDLE))
    assert not verified(data, CSV)


@calm
@given(st.sampled_from(places(json.loads(DRAW["manifest"]))[1:]), JUNK)
def test_any_value_in_any_place_of_the_manifest_is_judged(place: tuple, junk: Any) -> None:
    manifest = json.loads(DRAW["manifest"])
    inside: Any = manifest
    for name in place[:-1]:
        inside = inside[name]
    assume(inside[place[-1]] != junk)
    inside[place[-1]] = junk
    assert not verified(to_bytes(DRAW | {"manifest": json.dumps(manifest)}), CSV)


@calm
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_arbitrary_bytes_are_judged(bundle: bytes, csv: bytes) -> None:
    assert not verified(bundle, csv)
    assert not verified(BUNDLE, b"entry_id,first_ticket,count\n" + csv)
