"""Whatever happens to a draw's files, the verifier neither raises nor lets a changed draw pass."""

import copy
import io
import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from verification import verifier

from .verifier_draws import PURCHASES, WITHDRAWN, development_draw, log_of, to_bytes

DRAW = development_draw(log_of(PURCHASES[:4], WITHDRAWN[:1]))
GROWN = DRAW.with_outcomes(DRAW.forfeit(1, 1), DRAW.claim(2, 2))
BUNDLE, CSV, LOG = GROWN.files
HEAD, RECEIPT = to_bytes(GROWN.head()), to_bytes(GROWN.receipt(0))
calm = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=80)
    | st.sampled_from(["00" * 32, 2**53, 2**53 - 1, 2**63]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def judged(bundle: bytes = BUNDLE, csv: bytes = CSV, log: bytes | None = LOG, **given: Any) -> verifier.Report:
    told = verifier.Given(log=None if log is None else io.BytesIO(log), **given)
    report = verifier.verify(bundle, io.BytesIO(csv), told)
    assert all(line.detail.isascii() and len(line.detail) < 2000 for line in report.lines)
    assert report.exit_code in (1, 2, 3)
    return report


def holds(*files: bytes | None, **given: Any) -> bool:
    return judged(*files, **given).verdict == "CONSISTENT"  # type: ignore[arg-type]


def says(data: bytes) -> Any:
    """What of a bundle can be verified offline: not its addresses, and of its time only the round that follows."""
    try:
        bundle = json.loads(data)
        del bundle["entries"]["url"], bundle["log"]["url"]
        bundle["place"]["committed_at"] = (bundle["place"]["committed_at"] - 1_700_000_000) // -3
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return bundle


def places(value: Any, at: tuple = ()) -> list[tuple]:
    """Every place in a JSON value, as the names and numbers that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, item in inner for place in places(item, (*at, name)))]


def with_junk(value: Any, place: tuple, junk: Any) -> Any:
    changed = {"": copy.deepcopy(value)}
    inside: Any = changed
    *outer, last = ("", *place)
    for name in outer:
        inside = inside[name]
    inside[last] = junk
    return changed[""]


def with_byte(data: bytes, place: int, mask: int) -> bytes:
    changed = bytearray(data)
    changed[place % len(data)] ^= mask
    return bytes(changed)


BYTES = given(st.integers(0, 10**6), st.integers(1, 255))


def test_the_unchanged_files_hold() -> None:
    assert holds(head=HEAD, receipts=[("mine", RECEIPT)])


@calm
@BYTES
def test_a_bundle_with_a_byte_changed_never_passes(place: int, mask: int) -> None:
    changed = with_byte(BUNDLE, place, mask)
    assert not holds(changed) or says(changed) == says(BUNDLE)


@calm
@BYTES
def test_an_entries_file_with_a_byte_changed_never_passes(place: int, mask: int) -> None:
    assert not holds(BUNDLE, with_byte(CSV, place, mask))


@calm
@BYTES
def test_a_log_with_a_byte_changed_never_passes_beside_its_head(place: int, mask: int) -> None:
    assert not holds(BUNDLE, CSV, with_byte(LOG, place, mask), head=HEAD)


@calm
@BYTES
def test_a_receipt_or_head_with_a_byte_changed_is_judged(place: int, mask: int) -> None:
    judged(head=with_byte(HEAD, place, mask), receipts=[("mine", with_byte(RECEIPT, place, mask))])


@calm
@given(st.sampled_from(places(DRAW.bundle)), JUNK)
def test_any_value_of_any_type_in_any_place_is_judged(place: tuple, junk: Any) -> None:
    data = json.dumps(with_junk(DRAW.bundle, place, junk)).encode()
    assume(says(data) != says(BUNDLE))
    assert not holds(data)


@calm
@given(st.sampled_from(places(DRAW.manifest)[1:]), JUNK)
def test_any_value_in_any_place_of_the_manifest_is_judged(place: tuple, junk: Any) -> None:
    manifest = with_junk(DRAW.manifest, place, junk)
    assume(manifest != DRAW.manifest)
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert not holds(to_bytes(DRAW.bundle | {"manifest": text}))


@calm
@given(st.sampled_from(places(json.loads(RECEIPT))), st.sampled_from(places(json.loads(HEAD))), JUNK)
def test_any_value_in_any_place_of_a_receipt_or_head_is_judged(in_receipt: tuple, in_head: tuple, junk: Any) -> None:
    receipt, head = with_junk(json.loads(RECEIPT), in_receipt, junk), with_junk(json.loads(HEAD), in_head, junk)
    judged(head=json.dumps(head).encode(), receipts=[("mine", json.dumps(receipt).encode())])
    judged(log=None, beacon=json.dumps(head).encode(), receipts=[("mine", json.dumps(receipt).encode())])


ROWS = st.tuples(
    st.integers(0, 6), st.sampled_from([p[0] for p in PURCHASES]), *[st.integers(0, 2**53)] * 2, st.integers(0, 2**53)
)


@calm
@given(st.lists(ROWS, max_size=6), st.integers(0, 10))
def test_any_lines_in_the_log_are_judged(rows: list[tuple], place: int) -> None:
    lines = LOG.splitlines(keepends=True)
    made = [f"{kind},{entry_id},{a},{b},{'00' * 32},{at}\n".encode() for kind, entry_id, a, b, at in rows]
    log = b"".join([*lines[: 1 + place], *made, *lines[1 + place :]])
    assert not holds(BUNDLE, CSV, log) or log == LOG or place >= 5
    judged(BUNDLE, CSV, b"".join([lines[0], *made]))


@calm
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_arbitrary_bytes_are_judged(bundle: bytes, csv: bytes, log: bytes) -> None:
    assert not holds(bundle, csv, log)
    assert not holds(BUNDLE, b"entry_id,first_ticket,count,holder\n" + csv, log)
    assert not holds(BUNDLE, CSV, b"kind,entry_id,a,b,x,at\n" + log)
    judged(head=bundle, beacon=csv, receipts=[("mine", log)])
