"""What is announced once, and when it is committed: after its announcement, by its deadline, or never."""

from dataclasses import replace

import pytest

from verification.chain import Chain
from verification.chain_types import DrawStatus
from verification.contract import VOID_AFTER

from .on_chain import (
    INFINITY,
    DevBeacon,
    announce,
    deployed,
    events,
    funded_chain,
    latest_time,
    mine_at,
    new_hash,
    new_raffle,
    raw_call,
    reverts,
    rpc,
    settle,
    terms_of,
    transact,
    transact_together,
)


@pytest.fixture
def own(chain: Chain, dev: DevBeacon) -> str:
    """A contract of the test's own."""
    return deployed(chain, dev)


def announcing(contract: str, chain: Chain, **terms: object) -> str:
    """Why this announcement is refused."""
    return reverts(contract, "announce", *terms_of(contract, **terms), sender=chain.operator)


def test_each_raffle_and_each_manifest_is_announced_once(chain: Chain, contract: str, dev: DevBeacon) -> None:
    raffle = new_raffle()
    manifest_hash = announce(chain, contract, raffle=raffle)

    def refused() -> None:
        assert "raffle already announced" in announcing(contract, chain, raffle=raffle)
        assert "manifest already announced" in announcing(contract, chain, manifest_hash=manifest_hash)
        both = {"raffle": raffle, "manifest_hash": manifest_hash}
        assert "already announced" in announcing(contract, chain, **both)

    refused()
    mine_at(latest_time() + 1)
    transact(chain, contract, "commit", manifest_hash, new_hash(), 10, 2)
    refused()
    settle(chain, contract, manifest_hash, dev.sign(chain.draw_state(contract, manifest_hash).round))
    refused()


def test_a_lapsed_raffle_is_not_announced_again(chain: Chain, contract: str) -> None:
    raffle = new_raffle()
    announce(chain, contract, raffle=raffle, commit_by=latest_time() + 5)
    mine_at(latest_time() + 100)
    assert "raffle already announced" in announcing(contract, chain, raffle=raffle)


def test_raffles_that_differ_in_a_byte_are_different(chain: Chain, contract: str) -> None:
    raffle = new_raffle()
    others = [raffle[:-1] + bytes([raffle[-1] ^ 1]), bytes([raffle[0] ^ 0x80]) + raffle[1:], bytes(15) + b"\1"]
    for each in (raffle, *others):
        manifest_hash = announce(chain, contract, raffle=each)
        assert chain.draw_state(contract, manifest_hash).raffle == each


def test_no_raffle_and_no_manifest_are_none(chain: Chain, contract: str) -> None:
    assert "no raffle" in announcing(contract, chain, raffle=bytes(16))
    assert "no manifest" in announcing(contract, chain, manifest_hash=bytes(32))


def test_a_draw_announced_after_its_deadline_has_lapsed_and_takes_its_number(chain: Chain, contract: str) -> None:
    for over in (0, 1, latest_time() - 1):
        sequence = chain.next_sequence(contract)
        manifest_hash = announce(chain, contract, commit_by=over)
        state = chain.draw_state(contract, manifest_hash)
        assert (state.status, state.sequence) == (DrawStatus.LAPSED, sequence)
        assert chain.next_sequence(contract) == sequence + 1
        assert "lapsed" in reverts(contract, "commit", manifest_hash, new_hash(), 10, 2, sender=chain.operator)


def test_a_draw_is_not_committed_in_the_second_of_its_announcement(chain: Chain, contract: str) -> None:
    manifest_hash = new_hash()
    commit = (manifest_hash, new_hash(), 10, 2)
    moment = latest_time() + 10
    rpc("evm_setNextBlockTimestamp", moment)
    assert (
        transact(chain, contract, "announce", *terms_of(contract, manifest_hash=manifest_hash)).block_timestamp
        == moment
    )
    mine_at(moment)
    assert "too early" in reverts(contract, "commit", *commit, sender=chain.operator)
    mine_at(moment + 1)
    transact(chain, contract, "commit", *commit)


def test_a_draw_is_committed_up_to_its_deadline(chain: Chain, contract: str) -> None:
    commit_by = latest_time() + 50
    manifest_hash = announce(chain, contract, commit_by=commit_by)
    mine_at(commit_by)
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.ANNOUNCED
    rpc("evm_setNextBlockTimestamp", commit_by)
    assert transact(chain, contract, "commit", manifest_hash, new_hash(), 10, 2).block_timestamp == commit_by
    mine_at(commit_by + 100)
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.COMMITTED


def test_a_draw_that_is_not_committed_in_time_has_lapsed_for_good(chain: Chain, contract: str) -> None:
    commit_by = latest_time() + 50
    manifest_hash = announce(chain, contract, commit_by=commit_by)
    announced = chain.draw_state(contract, manifest_hash)
    commit = (manifest_hash, new_hash(), 10, 2)
    for moment in (commit_by + 1, commit_by + 10 * VOID_AFTER):
        mine_at(moment)
        assert chain.draw_state(contract, manifest_hash) == replace(announced, status=DrawStatus.LAPSED)
        assert "lapsed" in reverts(contract, "commit", *commit, sender=chain.operator)
        assert "not committed" in reverts(contract, "settle", manifest_hash, INFINITY)
        assert "not committed" in reverts(contract, "settle_many", [manifest_hash], INFINITY)
        assert "not committed" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)
        assert "not committed" in reverts(contract, "void", manifest_hash)
        assert "not settled" in reverts(contract, "picks", manifest_hash)


def test_the_status_is_as_of_the_block_that_is_asked_about(chain: Chain, contract: str) -> None:
    commit_by = latest_time() + 50
    manifest_hash = announce(chain, contract, commit_by=commit_by)
    before = chain.head()
    mine_at(commit_by + 1)
    assert chain.draw_state(contract, manifest_hash, before).status is DrawStatus.ANNOUNCED
    assert chain.draw_state(contract, manifest_hash, chain.head()).status is DrawStatus.LAPSED
    assert chain.draw_state(contract, manifest_hash, before - 1).status is DrawStatus.UNKNOWN


def test_a_stolen_key_can_spoil_draws_but_not_bend_them(chain: Chain, own: str, dev: DevBeacon) -> None:
    # A thief announces junk and commits junk to a draw on sale; the operator has only the same key.
    ours = announce(chain, own)
    junk = announce(chain, own, delay_seconds=3)
    mine_at(latest_time() + 1)
    foreign = new_hash()
    transact(chain, own, "commit", ours, foreign, 1, 1)
    state = chain.draw_state(own, ours)
    assert (state.status, state.commitment) == (DrawStatus.COMMITTED, foreign)
    right = (ours, new_hash(), 1000, 3)
    assert "already committed" in reverts(own, "commit", *right, sender=chain.operator)
    assert "raffle already announced" in announcing(own, chain, raffle=state.raffle)
    # The next draw goes on under the next number, and the role moves to a key that nobody else has.
    assert raw_call(own, "next_sequence") == chain.draw_state(own, junk).sequence + 1
    successor = funded_chain()
    transact(chain, own, "propose_operator", successor.operator)
    transact(successor, own, "accept_operator")
    assert "not the operator" in announcing(own, chain)
    assert "not the operator" in reverts(own, "commit", junk, *right[1:], sender=chain.operator)
    later = announce(successor, own)
    mine_at(latest_time() + 1)
    transact(successor, own, "commit", later, *right[1:])
    # The commitment of the thief draws with its round like any other: what it says is public.
    settle(successor, own, ours, dev.sign(state.round))
    (event,) = events(own, "Committed", manifest_hash=ours)
    assert (event["commitment"], event["tickets"]) == (foreign, 1)


def test_a_new_operator_commits_what_the_former_announced(chain: Chain, own: str) -> None:
    manifest_hash, successor = announce(chain, own), funded_chain()
    transact(chain, own, "propose_operator", successor.operator)
    transact(successor, own, "accept_operator")
    mine_at(latest_time() + 1)
    commit = (manifest_hash, new_hash(), 10, 2)
    assert "not the operator" in reverts(own, "commit", *commit, sender=chain.operator)
    transact(successor, own, "commit", *commit)
    assert chain.draw_state(own, manifest_hash).status is DrawStatus.COMMITTED


def test_two_announcements_of_a_raffle_in_one_block_leave_one(chain: Chain, own: str) -> None:
    raffle = new_raffle()
    terms = [terms_of(own, raffle=raffle, sequence=number) for number in (1, 2)]
    with pytest.raises(AssertionError, match="announce reverted"):
        transact_together(chain, own, "announce", *terms)
    states = [chain.draw_state(own, each[1]).status for each in terms]
    assert states == [DrawStatus.ANNOUNCED, DrawStatus.UNKNOWN]
    assert raw_call(own, "next_sequence") == 2
