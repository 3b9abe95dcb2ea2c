"""Two implementations that share no line, the product's and the stand-alone verifier's, agree to the byte."""

import ast
import io
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification import beacon, manifest, merkle, picks, verifier
from verification.beacon import QUICKNET

DATA = Path(__file__).parent / "data"
VECTORS = json.loads((DATA / "draw-vectors.json").read_text())["vectors"]
ROUNDS = json.loads((DATA / "drand-quicknet.json").read_text())["vectors"]


@st.composite
def draws(draw: st.DrawFn) -> list[merkle.Entry]:
    sizes = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2**20)), min_size=1, max_size=70))
    ids = draw(st.lists(st.uuids(), min_size=len(sizes), max_size=len(sizes), unique=True))
    entries, ticket = [], 1
    for entry_id, (gap, count) in zip(ids, sizes, strict=True):
        entries.append(merkle.Entry(entry_id, ticket + gap, count))
        ticket += gap + count
    return entries


def read_by_the_verifier(entries: list[merkle.Entry]) -> verifier.Entries:
    lines = [f"{entry_id},{first_ticket},{count}\n" for entry_id, first_ticket, count in entries]
    return verifier.read_entries(io.BytesIO(("entry_id,first_ticket,count\n" + "".join(lines)).encode()))[0]


def agree_on(entries: list[merkle.Entry], facts: dict, wanted: int) -> tuple[bytes, bytes, list[int]]:
    """Root, seed and picks, which both compute; and both accept each other's paths."""
    ours, theirs = merkle.Tree(entry.record for entry in entries), read_by_the_verifier(entries)
    assert theirs.root() == ours.tickets.to_bytes(8) + ours.root
    drawn = picks.seed(**facts, root=ours.root, tickets=ours.tickets)
    indices = picks.pick_indices(drawn, ours.tickets, wanted)
    assert verifier.picked_indices(drawn, theirs.tickets, wanted) == indices
    for index in indices:
        position = ours.locate(index)
        entry, before, path = ours.entry(position), ours.tickets_before(position), ours.path(position)
        assert theirs.holding(index) == (before, str(entry.entry_id), entry.first_ticket, entry.count)
        steps = [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in path]
        pick = entry._asdict() | {"entry_id": str(entry.entry_id), "path": steps}
        assert verifier.climb(pick) == (theirs.root(), before)
    return ours.root, drawn, indices


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector['entries'])} entries")
def test_both_give_the_published_root_seed_and_picks(vector: dict) -> None:
    entries = [merkle.Entry(UUID(entry_id), first_ticket, count) for entry_id, first_ticket, count in vector["entries"]]
    facts = {name: bytes.fromhex(vector[name]) for name in ("chain_hash", "randomness", "manifest_hash")}
    root, drawn, indices = agree_on(entries, facts | {"round": vector["round"]}, vector["wanted"])
    assert (root.hex(), drawn.hex(), indices) == (vector["root"], vector["seed"], vector["picks"])


@settings(max_examples=40)
@given(draws(), st.integers(1, 2**63), st.binary(min_size=48, max_size=48), st.text(max_size=50), st.integers(1, 40))
def test_both_agree_on_any_draw(
    entries: list[merkle.Entry], number: int, signature: bytes, promise: str, wanted: int
) -> None:
    told = {"chain_hash": QUICKNET.chain_hash.hex(), "round": number, "signature": signature.hex()}
    facts = {"chain_hash": QUICKNET.chain_hash, "round": number, "randomness": beacon.randomness(signature)}
    facts["manifest_hash"] = manifest.manifest_hash(promise.encode())
    _, drawn, _ = agree_on(entries, facts, wanted)
    assert verifier.draw_seed({"beacon": told, "manifest": promise}, read_by_the_verifier(entries)) == drawn


@pytest.mark.parametrize("real", ROUNDS, ids=lambda real: str(real["round"]))
@pytest.mark.parametrize("change", [0, 1], ids=["its own round", "the next round"])
def test_both_judge_a_signature_alike(real: dict, change: int) -> None:
    number, signature = real["round"] + change, bytes.fromhex(real["signature"])
    told = QUICKNET.as_manifest() | {"round": number, "signature": signature.hex()}
    try:
        accepted, _ = verifier.check_signature({"beacon": told}, True)
    except verifier.Flaw:
        accepted = False
    assert accepted is QUICKNET.verify(number, signature) is (change == 0)


@given(st.integers(0, 2**40), st.integers(1, 10_000), st.integers(1, 10_000), st.integers(1, 2**40))
def test_both_choose_the_same_round(committed_at: int, delay: int, period: int, genesis: int) -> None:
    chain = beacon.Beacon(QUICKNET.chain_hash, QUICKNET.public_key, genesis, period)
    told = {"beacon": chain.as_manifest() | {"round": chain.first_round_at(committed_at + delay)}}
    told["commitment"] = {"committed_at": committed_at}
    assert verifier.check_round(told, {"delay_seconds": delay})[0]


VALUES = st.recursive(
    st.text(max_size=20) | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6))
def test_both_write_the_same_canonical_form(value: dict) -> None:
    assert verifier.canonical(value).encode() == manifest.canonical(value)


def test_neither_imports_the_other() -> None:
    for module in (beacon, manifest, merkle, picks):
        assert "verifier" not in Path(module.__file__ or "").read_text()
    tree = ast.parse(Path(verifier.__file__).read_text())
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in named if not name or name.startswith(("verification", "django", "luxewin"))]
