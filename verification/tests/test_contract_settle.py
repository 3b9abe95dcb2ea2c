"""Settling on the contract: the seed and the picks are the protocol's to the byte, one draw or many at a time."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3 import Web3

from luxewin.draw_bounds import MAX_PICKS
from verification.beacon import randomness
from verification.chain import Chain
from verification.chain_types import DrawState, DrawStatus
from verification.contract import MAX_DRAWS, MAX_TICKETS, artefact
from verification.contract.encoding import encode_signature
from verification.picks import pick_indices

from .on_chain import (
    INFINITY,
    DevBeacon,
    announce,
    commit,
    commit_together,
    deployed,
    events,
    funded_chain,
    new_hash,
    new_raffle,
    raw_call,
    reverts,
    rpc,
    settle,
    settle_many,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "draw-vectors.json").read_text())["vectors"]
STORAGE = artefact()["layout"]["storage_layout"]


@pytest.mark.parametrize(
    ("tickets", "wanted"),
    [(1, 1), (2, 2), (5, 5), (64, 10), (100, 100), (256, 100), (257, 100), (1143, 10), (2**52, 3), (2**53 - 1, 100)],
    ids=str,
)
def test_seed_and_picks_equal_those_off_chain_to_the_byte(
    chain: Chain, contract: str, dev: DevBeacon, tickets: int, wanted: int
) -> None:
    check(chain, contract, dev, tickets, wanted)


def check(chain: Chain, contract: str, dev: DevBeacon, tickets: int, wanted: int) -> None:
    """Holds a draw, and holds what the contract stores and emits of it against the protocol."""
    manifest_hash = commit(chain, contract, tickets, wanted)
    state = chain.draw_state(contract, manifest_hash)
    signature = dev.sign(state.round)
    settle(chain, contract, manifest_hash, signature)
    emitted = settlement(contract, manifest_hash)
    assert emitted == expected(contract, dev, manifest_hash, state)
    assert chain.draw_state(contract, manifest_hash).seed == emitted["seed"]
    assert chain.settled_picks(contract, manifest_hash) == emitted["picks"]


def settlement(contract: str, manifest_hash: bytes) -> dict[str, object]:
    (event,) = events(contract, "Settled", manifest_hash=manifest_hash)
    return event


def expected(contract: str, dev: DevBeacon, manifest_hash: bytes, state: DrawState) -> dict[str, object]:
    """What the event of a draw has to hold, as it is computed off the chain."""
    drawn = randomness(dev.sign(state.round))
    facts = {"round": state.round, "randomness": drawn, "manifest_hash": manifest_hash}
    (committed,) = events(contract, "Committed", manifest_hash=manifest_hash)
    by_us = seed_of(dev.beacon.chain_hash, commitment=committed["commitment"], tickets=state.tickets, **facts)
    return facts | {"seed": by_us, "picks": pick_indices(by_us, state.tickets, state.wanted)}


def seed_of(
    chain_hash: bytes,
    *,
    round: int,  # noqa: A002 (the beacon's own word)
    randomness: bytes,
    manifest_hash: bytes,
    commitment: bytes,
    tickets: int,
) -> bytes:
    """The seed by section 6 of the protocol, written down once more."""
    drawn = b"luxewin/draw/v2" + chain_hash + round.to_bytes(8) + randomness
    return sha256(drawn + manifest_hash + commitment + tickets.to_bytes(8)).digest()


# Small numbers of tickets, where picks repeat, and those next to powers of two, where the limit is near its bounds.
numbers_of_tickets = st.one_of(
    st.integers(1, 120),
    st.integers(1, MAX_TICKETS),
    st.builds(lambda power, step: min(2**power + step, MAX_TICKETS), st.integers(1, 53), st.sampled_from([-1, 0, 1])),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tickets=numbers_of_tickets, picks=st.integers(1, MAX_PICKS))
def test_any_draw_equals_the_one_off_chain_to_the_byte(
    chain: Chain, contract: str, dev: DevBeacon, tickets: int, picks: int
) -> None:
    check(chain, contract, dev, tickets, min(picks, tickets))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['tickets']} tickets")
def test_the_seeds_of_the_worked_examples_follow_from_their_facts(vector: dict) -> None:
    names = ("chain_hash", "randomness", "manifest_hash", "commitment")
    facts = {name: bytes.fromhex(vector[name]) for name in names}
    assert seed_of(**facts, round=vector["round"], tickets=vector["tickets"]).hex() == vector["seed"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['tickets']} tickets")
def test_the_picks_of_the_worked_examples_follow_from_their_seeds(chain: Chain, contract: str, vector: dict) -> None:
    # Their randomness belongs to no signature, so that no call leads to these seeds: they are put into the storage.
    manifest_hash, raffle = bytes.fromhex(vector["manifest_hash"]), new_raffle()
    wanted = min(vector["wanted"], vector["tickets"])
    store(contract, "raffles", manifest_hash, bytes(16) + raffle)
    store(contract, "sealed", manifest_hash, bytes.fromhex(vector["seed"]))
    packed = vector["tickets"] | wanted << 240 | DrawStatus.SETTLED << 248
    store(contract, "packed", raffle + bytes(16), packed.to_bytes(32))
    state = chain.draw_state(contract, manifest_hash)
    assert (state.status, state.tickets, state.wanted) == (DrawStatus.SETTLED, vector["tickets"], wanted)
    assert chain.settled_picks(contract, manifest_hash) == vector["picks"]


def store(contract: str, name: str, key: bytes, value: bytes) -> None:
    """Puts a value into one of the contract's maps."""
    place = Web3.keccak(STORAGE[name]["slot"].to_bytes(32) + key).hex().removeprefix("0x")
    rpc("anvil_setStorageAt", contract, "0x" + place, "0x" + value.hex())


def test_anyone_may_settle(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    settle(funded_chain(), contract, manifest_hash, dev.sign(chain.draw_state(contract, manifest_hash).round))
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.SETTLED


def test_draws_of_a_round_are_settled_in_one_call_by_anyone(chain: Chain, contract: str, dev: DevBeacon) -> None:
    terms = [(1000, 3), (1, 1), (MAX_TICKETS, 100), (7, 7)]
    together = commit_together(chain, contract, *terms)
    round_number = chain.draw_state(contract, together[0]).round
    settle_many(funded_chain(), contract, together, dev.sign(round_number))
    for manifest_hash in together:
        state, emitted = chain.draw_state(contract, manifest_hash), settlement(contract, manifest_hash)
        assert emitted == expected(contract, dev, manifest_hash, state)
        assert (state.status, state.seed) == (DrawStatus.SETTLED, emitted["seed"])


def test_as_many_draws_as_a_call_takes_are_settled(chain: Chain, contract: str, dev: DevBeacon) -> None:
    together = commit_together(chain, contract, *[(1000, 3)] * MAX_DRAWS)
    signature = dev.sign(chain.draw_state(contract, together[0]).round)
    too_many = sorted([*together, new_hash()])
    assert "revert" in reverts(contract, "settle_many", too_many, encode_signature(signature))
    settle_many(chain, contract, together, signature)
    assert set(together) <= {event["manifest_hash"] for event in events(contract, "Settled")}


def test_who_settles_one_of_several_draws_first_does_not_stop_the_others(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    together = commit_together(chain, contract, *[(1000, 3)] * 3)
    signature = dev.sign(chain.draw_state(contract, together[0]).round)
    settle(funded_chain(), contract, together[0], signature)
    settle_many(chain, contract, together, signature)
    for manifest_hash in together:  # one event each: what was settled is not settled again
        state = chain.draw_state(contract, manifest_hash)
        assert settlement(contract, manifest_hash) == expected(contract, dev, manifest_hash, state)
    again = reverts(contract, "settle_many", together, encode_signature(signature))
    assert "nothing to settle" in again


def test_a_settled_draw_in_the_list_does_not_let_a_wrong_signature_through(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    together = commit_together(chain, contract, *[(1000, 3)] * 2)
    round_number = chain.draw_state(contract, together[0]).round
    settle(chain, contract, together[0], dev.sign(round_number))
    wrong = encode_signature(dev.sign(round_number + 1))
    assert "not the signature of the round" in reverts(contract, "settle_many", together, wrong)


def test_draws_that_cannot_be_settled_together_settle_none(chain: Chain, contract: str, dev: DevBeacon) -> None:
    first, later = commit(chain, contract), commit(chain, contract, delay_seconds=300)
    announced, unknown = announce(chain, contract), new_hash()
    signature = encode_signature(dev.sign(chain.draw_state(contract, first).round))
    both = sorted([first, later])
    of_the_lower = encode_signature(dev.sign(chain.draw_state(contract, both[0]).round))
    refused = {
        "not of the same round": (both, of_the_lower),
        "not in ascending order": (both[::-1], encode_signature(dev.sign(chain.draw_state(contract, both[1]).round))),
        "nothing to settle": ([], signature),
        "not the signature of the round": ([first], INFINITY),
    }
    for reason, arguments in refused.items():
        assert reason in reverts(contract, "settle_many", *arguments)
    assert "not in ascending order" in reverts(contract, "settle_many", [first, first], signature)
    for stranger in (announced, unknown):
        # Whichever comes first, it is either not committed or follows a draw that would have been settled.
        assert "not committed" in reverts(contract, "settle_many", sorted([first, stranger]), signature)
    assert chain.draw_state(contract, first).status is DrawStatus.COMMITTED


def test_a_draw_twice_in_the_list_is_refused_also_when_it_is_settled(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    together = commit_together(chain, contract, *[(1000, 3)] * 2)
    signature = dev.sign(chain.draw_state(contract, together[0]).round)
    settle(chain, contract, together[0], signature)
    twice = [together[0], *together]
    assert "not in ascending order" in reverts(contract, "settle_many", twice, encode_signature(signature))


def test_the_same_facts_under_another_operator_s_contract_do_not_settle_here(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    elsewhere = deployed(chain, DevBeacon.make(0xBAD))
    manifest_hash = commit(chain, elsewhere)
    round_number = chain.draw_state(elsewhere, manifest_hash).round
    assert raw_call(contract, "verify", round_number, encode_signature(dev.sign(round_number))) is True
    reason = reverts(elsewhere, "settle", manifest_hash, encode_signature(dev.sign(round_number)))
    assert "not the signature of the round" in reason
