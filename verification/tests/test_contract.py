"""The draw contract on a real node: what it is compiled from, what it keeps, and the order of its steps."""

from dataclasses import replace
from hashlib import sha256

import pytest

from luxewin.draw_bounds import MAX_PICKS
from verification.chain import Chain
from verification.chain_types import DrawState, DrawStatus
from verification.contract import MAX_DRAWS, VOID_AFTER, artefact, constants_in, runtime_code
from verification.contract.compile import ARTEFACT, SOURCE, as_text, compile_source
from verification.contract.encoding import encode_public_key, encode_signature

from .on_chain import (
    FAR_OFF,
    INFINITY,
    NOBODY,
    DevBeacon,
    announce,
    commit,
    commit_together,
    deployed,
    events,
    in_a_later_second,
    latest_time,
    mine_at,
    new_hash,
    node,
    raw_call,
    reverts,
    settle,
    terms_of,
    transact,
)


def test_compiling_the_source_gives_the_committed_artefact() -> None:
    assert as_text(compile_source()) == ARTEFACT.read_text()
    assert artefact()["source_sha256"] == sha256(SOURCE.read_bytes()).hexdigest()


def test_the_limits_are_the_contract_s(contract: str) -> None:
    assert raw_call(contract, "MAX_PICKS") == MAX_PICKS
    assert raw_call(contract, "MAX_DRAWS") == MAX_DRAWS


def test_the_contract_holds_the_beacon_and_the_void_delay(contract: str, dev: DevBeacon) -> None:
    assert raw_call(contract, "public_key") == encode_public_key(dev.beacon.public_key)
    assert raw_call(contract, "CHAIN_HASH") == dev.beacon.chain_hash
    assert raw_call(contract, "GENESIS_TIME") == dev.beacon.genesis_time
    assert raw_call(contract, "PERIOD") == dev.beacon.period
    assert raw_call(contract, "VOID_AFTER") == VOID_AFTER == 604_800


def test_the_code_on_the_chain_is_the_committed_one_with_the_beacon_behind_it(contract: str, dev: DevBeacon) -> None:
    code = bytes(node().eth.get_code(contract))
    assert code == runtime_code(dev.beacon, VOID_AFTER)
    # As the documentation has it, without this project's functions.
    length = artefact()["runtime_bytes"]
    assert sha256(code[:length]).hexdigest() == artefact()["runtime_sha256"]
    key = encode_public_key(dev.beacon.public_key)
    words = [dev.beacon.chain_hash, dev.beacon.genesis_time, dev.beacon.period, *key, VOID_AFTER]
    assert code[length:] == b"".join(word if isinstance(word, bytes) else word.to_bytes(32) for word in words)


def test_the_constants_are_read_back_from_the_code(dev: DevBeacon) -> None:
    code = runtime_code(dev.beacon, VOID_AFTER)
    terms = {name: getattr(dev.beacon, name) for name in ("chain_hash", "genesis_time", "period", "public_key")}
    assert constants_in(code) == terms | {"void_after": VOID_AFTER}
    for other in (b"", code[:-1], code + b"\0", code[:100] + b"\0" + code[101:], code[32:]):
        assert constants_in(other) is None


def test_the_steps_leave_their_facts_in_the_contract(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash, commitment = new_hash(), new_hash()
    nothing = DrawState(DrawStatus.UNKNOWN, bytes(16), *[0] * 8, commitment=bytes(32), seed=bytes(32), void_at=0)
    assert chain.draw_state(contract, manifest_hash) == nothing

    commit_by = latest_time() + 1_000_000
    raffle, _, sequence, *_ = terms = terms_of(
        contract, manifest_hash=manifest_hash, delay_seconds=45, commit_by=commit_by
    )
    announced_at = transact(chain, contract, "announce", *terms).block_timestamp
    facts = {"raffle": raffle, "sequence": sequence, "delay_seconds": 45, "commit_by": commit_by}
    announced = replace(nothing, status=DrawStatus.ANNOUNCED, announced_at=announced_at, **facts)
    assert chain.draw_state(contract, manifest_hash) == announced

    in_a_later_second()
    committed_at = transact(chain, contract, "commit", manifest_hash, commitment, 790, 5).block_timestamp
    facts = {"committed_at": committed_at, "tickets": 790, "wanted": 5, "commitment": commitment}
    number = dev.beacon.first_round_at(committed_at + 45)
    committed = replace(announced, status=DrawStatus.COMMITTED, round=number, **facts)
    assert chain.draw_state(contract, manifest_hash) == committed

    settle(chain, contract, manifest_hash, dev.sign(number))
    settled = chain.draw_state(contract, manifest_hash)
    assert settled == replace(committed, status=DrawStatus.SETTLED, commitment=bytes(32), seed=settled.seed)
    assert settled.seed != bytes(32)


def test_announcing_and_committing_emit_all_they_fix(chain: Chain, contract: str) -> None:
    manifest_hash = commit(chain, contract, 790, 5, delay_seconds=45)
    state = chain.draw_state(contract, manifest_hash)
    announced = {"manifest_hash": manifest_hash, "raffle": state.raffle, "sequence": state.sequence}
    announced |= {"delay_seconds": 45, "commit_by": FAR_OFF}
    assert events(contract, "Announced", manifest_hash=manifest_hash) == [announced]
    assert events(contract, "Announced", raffle=state.raffle) == [announced]
    facts = {"commitment": state.commitment, "tickets": 790, "wanted": 5}
    facts |= {"committed_at": state.committed_at, "round": state.round}
    assert events(contract, "Committed", manifest_hash=manifest_hash) == [{"manifest_hash": manifest_hash} | facts]


def test_the_round_is_the_first_at_the_delay_also_when_it_falls_on_it(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    # In one block, with delays that differ by a second each: one of them ends just when a round appears.
    delays = [30, 31, 32]
    committed = commit_together(chain, contract, *[(1000, 3)] * 3, delays=delays)
    left = set()
    for delay, manifest_hash in zip(delays, committed, strict=True):
        state = chain.draw_state(contract, manifest_hash)
        due = state.committed_at + delay
        assert state.round == dev.beacon.first_round_at(due)
        left.add(dev.beacon.time_of(state.round) - due)
    assert left == {0, 1, 2}


def test_before_the_beacon_s_genesis_the_round_is_the_first(chain: Chain) -> None:
    early = DevBeacon.make(genesis_time=2**40 - 1)
    contract = deployed(chain, early)
    assert chain.draw_state(contract, commit(chain, contract)).round == 1


def test_a_draw_is_committed_once_and_settled_once(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    again = (manifest_hash, new_hash(), 5, 1)
    assert "already committed" in reverts(contract, "commit", *again, sender=chain.operator)
    signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
    settle(chain, contract, manifest_hash, signature)
    assert "already settled" in reverts(contract, "settle", manifest_hash, encode_signature(signature))
    assert "already committed" in reverts(contract, "commit", *again, sender=chain.operator)


def test_the_steps_have_an_order(chain: Chain, contract: str, dev: DevBeacon) -> None:
    assert "not announced" in reverts(contract, "commit", new_hash(), new_hash(), 5, 1, sender=chain.operator)
    assert "not committed" in reverts(contract, "settle", new_hash(), INFINITY)
    announced = announce(chain, contract)
    assert "not committed" in reverts(contract, "settle", announced, encode_signature(dev.sign(1)))
    assert "not settled" in reverts(contract, "picks", announced)
    assert "not settled" in reverts(contract, "picks", commit(chain, contract))


def test_only_the_operator_announces_and_commits(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    assert "not the operator" in reverts(contract, "announce", *terms_of(contract))
    assert "not the operator" in reverts(contract, "commit", manifest_hash, new_hash(), 5, 1)


def test_the_sequence_has_no_gap_and_no_repetition(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    sequence = raw_call(contract, "next_sequence")
    assert chain.draw_state(contract, manifest_hash).sequence == sequence - 1
    for wrong in (0, sequence - 1, sequence + 1):
        reason = reverts(contract, "announce", *terms_of(contract, sequence=wrong), sender=chain.operator)
        assert "not the next sequence" in reason


def test_the_last_sequence_number_is_the_last(chain: Chain, dev: DevBeacon) -> None:
    contract = deployed(chain, dev, first_sequence=2**32 - 1)
    manifest_hash = announce(chain, contract)
    assert chain.draw_state(contract, manifest_hash).sequence == 2**32 - 1
    assert raw_call(contract, "next_sequence") == 2**32
    # No argument of 32 bits is that number, and the first does not come again.
    assert "not the next sequence" in reverts(
        contract, "announce", *terms_of(contract, sequence=0), sender=chain.operator
    )


def test_the_delay_is_at_least_a_period(chain: Chain, contract: str, dev: DevBeacon) -> None:
    too_short = terms_of(contract, delay_seconds=dev.beacon.period - 1)
    assert "delay below a period" in reverts(contract, "announce", *too_short, sender=chain.operator)
    announce(chain, contract, delay_seconds=dev.beacon.period)


@pytest.mark.parametrize(("tickets", "wanted"), [(0, 0), (0, 1), (5, 0), (5, 6), (1000, 101), (1000, 255)])
def test_an_impossible_number_of_picks_is_not_committed(chain: Chain, contract: str, tickets: int, wanted: int) -> None:
    manifest_hash = announce(chain, contract)
    mine_at(latest_time() + 1)
    reason = reverts(contract, "commit", manifest_hash, new_hash(), tickets, wanted, sender=chain.operator)
    assert "impossible number of picks" in reason


@pytest.mark.parametrize("tickets", [2**53, 2**56, 2**64 - 1], ids=str)
def test_more_tickets_than_fit_are_not_committed(chain: Chain, contract: str, tickets: int) -> None:
    manifest_hash = announce(chain, contract)
    mine_at(latest_time() + 1)
    reason = reverts(contract, "commit", manifest_hash, new_hash(), tickets, 1, sender=chain.operator)
    assert "too many tickets" in reason


def test_the_most_tickets_leave_the_other_facts_alone(chain: Chain, contract: str) -> None:
    terms = terms_of(contract, delay_seconds=2**32 - 1, commit_by=2**40 - 1)
    announced_at = transact(chain, contract, "announce", *terms).block_timestamp
    in_a_later_second()
    committed_at = transact(chain, contract, "commit", terms[1], new_hash(), 2**53 - 1, 100).block_timestamp
    state = chain.draw_state(contract, terms[1])
    assert (state.tickets, state.wanted, state.sequence) == (2**53 - 1, 100, terms[2])
    assert (state.delay_seconds, state.commit_by) == (2**32 - 1, 2**40 - 1)
    assert (state.announced_at, state.committed_at) == (announced_at, committed_at)


def test_an_empty_commitment_is_not_committed(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    mine_at(latest_time() + 1)
    assert "no commitment" in reverts(contract, "commit", manifest_hash, bytes(32), 5, 1, sender=chain.operator)


@pytest.mark.parametrize("number", [*range(1, 6), 2**255, 2**256 - 1], ids=hex)
def test_no_other_commitment_is_taken_for_something_else(
    chain: Chain, contract: str, dev: DevBeacon, number: int
) -> None:
    # The status has bits of its own, so that no commitment can look like a mark.
    manifest_hash, commitment = announce(chain, contract), number.to_bytes(32)
    in_a_later_second()
    transact(chain, contract, "commit", manifest_hash, commitment, 5, 1)
    state = chain.draw_state(contract, manifest_hash)
    assert (state.status, state.commitment) == (DrawStatus.COMMITTED, commitment)
    settle(chain, contract, manifest_hash, dev.sign(state.round))
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.SETTLED


def test_the_contract_takes_no_money(chain: Chain, contract: str) -> None:
    call = {"from": chain.operator, "to": contract, "data": chain._contract.encode_abi("propose_operator", [NOBODY])}
    node().eth.call(call)
    for data in (call["data"], "0x"):
        with pytest.raises(Exception, match="revert"):
            node().eth.call(call | {"data": data, "value": 1})
