"""Commitment, seed and picks: equal to the published vectors; indices are different, and below the tickets."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.picks import commitment, pick_indices, seed

VECTORS = json.loads((Path(__file__).parent / "data" / "draw-vectors.json").read_text())["vectors"]


def facts_of(vector: dict) -> dict:
    hashes = {name: bytes.fromhex(vector[name]) for name in ("chain_hash", "randomness", "manifest_hash", "commitment")}
    return {**hashes, "round": vector["round"], "tickets": vector["tickets"]}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector['entries'])} entries")
def test_the_vectors_give_their_commitment_seed_and_picks(vector: dict) -> None:
    roots = {name: bytes.fromhex(vector[name]) for name in ("root", "log_root")}
    committed = commitment(**roots, tickets=vector["tickets"], log_size=vector["log_size"])
    assert committed.hex() == vector["commitment"]
    drawn = seed(**facts_of(vector))
    assert drawn.hex() == vector["seed"]
    assert pick_indices(drawn, vector["tickets"], vector["wanted"]) == vector["picks"]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 300), st.integers(1, 40))
def test_picks_are_different_and_below_the_tickets(drawn: bytes, tickets: int, wanted: int) -> None:
    picks = pick_indices(drawn, tickets, wanted)
    assert len(picks) == len(set(picks)) == min(tickets, wanted)
    assert all(0 <= index < tickets for index in picks)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**53 - 1), st.integers(1, 20))
def test_more_picks_begin_with_the_fewer(drawn: bytes, tickets: int, wanted: int) -> None:
    assert pick_indices(drawn, tickets, wanted + 1)[: min(tickets, wanted)] == pick_indices(drawn, tickets, wanted)


def test_all_tickets_can_be_picked() -> None:
    assert sorted(pick_indices(bytes(32), 64, 64)) == list(range(64))


def test_every_fact_changes_the_seed() -> None:
    facts = facts_of(VECTORS[0])
    seeds = {seed(**facts)}
    for name, value in facts.items():
        seeds.add(seed(**{**facts, name: sha256(value).digest() if isinstance(value, bytes) else value + 1}))
    assert len(seeds) == 1 + len(facts)


@pytest.mark.parametrize(
    "change",
    [
        {"round": 0},
        {"round": 2**64},
        {"tickets": 0},
        {"tickets": 2**53},
        {"commitment": bytes(31)},
        {"chain_hash": b""},
    ],
    ids=str,
)
def test_impossible_facts_have_no_seed(change: dict) -> None:
    with pytest.raises(ValueError, match=r"round|tickets|not 32"):
        seed(**{**facts_of(VECTORS[0]), **change})


@pytest.mark.parametrize("arguments", [(bytes(31), 5, 1), (bytes(32), 0, 1), (bytes(32), 5, 0)], ids=str)
def test_impossible_picks_are_refused(arguments: tuple[bytes, int, int]) -> None:
    with pytest.raises(ValueError, match=r"seed|tickets"):
        pick_indices(*arguments)


@pytest.mark.parametrize(
    "change",
    [{"root": bytes(31)}, {"log_root": b""}, {"tickets": 0}, {"tickets": 2**53}, {"log_size": -1}, {"log_size": 2**53}],
    ids=str,
)
def test_impossible_facts_have_no_commitment(change: dict) -> None:
    facts = {"root": bytes(32), "tickets": 1, "log_root": bytes(32), "log_size": 1}
    with pytest.raises(ValueError, match=r"tickets|log|not 32"):
        commitment(**{**facts, **change})
