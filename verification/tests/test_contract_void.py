"""The contract when the beacon has stopped: a draw is void only after a public declaration and two long delays."""

from dataclasses import replace

import pytest

from verification.chain import Chain
from verification.chain_types import DrawStatus
from verification.contract import VOID_AFTER
from verification.contract.encoding import encode_signature

from .on_chain import (
    DevBeacon,
    announce,
    commit,
    commit_together,
    declared,
    events,
    funded_chain,
    mine_at,
    new_hash,
    overdue,
    reverts,
    settle,
    settle_many,
    terms_of,
    transact,
)


def test_a_void_is_declared_no_earlier_than_its_delay_after_the_round(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    manifest_hash = commit(chain, contract)
    appears_at = dev.beacon.time_of(chain.draw_state(contract, manifest_hash).round)
    for moment in (appears_at, appears_at + VOID_AFTER - 1):
        mine_at(moment)
        assert "too early" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)
    mine_at(appears_at + VOID_AFTER)
    before = chain.draw_state(contract, manifest_hash)
    executable_at = transact(chain, contract, "declare_void", manifest_hash).block_timestamp + VOID_AFTER
    assert chain.draw_state(contract, manifest_hash) == replace(before, void_at=executable_at)
    (event,) = events(contract, "VoidDeclared", manifest_hash=manifest_hash)
    assert event == {"manifest_hash": manifest_hash, "executable_at": executable_at}


def test_a_declared_draw_is_void_after_another_delay_through_anyone(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    manifest_hash = overdue(chain, contract, dev)
    transact(chain, contract, "declare_void", manifest_hash)
    before = chain.draw_state(contract, manifest_hash)
    mine_at(before.void_at - 1)
    assert "too early" in reverts(contract, "void", manifest_hash)
    mine_at(before.void_at)
    transact(funded_chain(), contract, "void", manifest_hash)
    assert chain.draw_state(contract, manifest_hash) == replace(before, status=DrawStatus.VOID)
    assert events(contract, "Voided", manifest_hash=manifest_hash) == [{"manifest_hash": manifest_hash}]


def test_a_draw_is_not_void_without_a_declaration(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = overdue(chain, contract, dev)
    mine_at(dev.beacon.time_of(chain.draw_state(contract, manifest_hash).round) + 10 * VOID_AFTER)
    assert "not declared" in reverts(contract, "void", manifest_hash)


def test_only_the_operator_declares_and_only_once(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = overdue(chain, contract, dev)
    assert "not the operator" in reverts(contract, "declare_void", manifest_hash)
    transact(chain, contract, "declare_void", manifest_hash)
    # A second declaration could only move the void away from those who wait for it.
    assert "already declared" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)


def test_only_a_committed_draw_can_be_void(chain: Chain, contract: str) -> None:
    for manifest_hash in (new_hash(), announce(chain, contract)):
        assert "not committed" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)
        assert "not committed" in reverts(contract, "void", manifest_hash)


@pytest.mark.parametrize("together", [False, True], ids=["settle", "settle_many"])
def test_the_round_s_signature_settles_until_the_void_is_called(
    chain: Chain, contract: str, dev: DevBeacon, together: bool
) -> None:
    manifest_hash = declared(chain, contract, dev)
    signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
    if together:
        settle_many(funded_chain(), contract, [manifest_hash], signature)
    else:
        settle(funded_chain(), contract, manifest_hash, signature)
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.SETTLED
    assert "already settled" in reverts(contract, "void", manifest_hash)
    assert "already settled" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)


def test_a_settled_draw_is_never_declared_void(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    round_number = chain.draw_state(contract, manifest_hash).round
    settle(chain, contract, manifest_hash, dev.sign(round_number))
    mine_at(dev.beacon.time_of(round_number) + VOID_AFTER)
    assert "already settled" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)


def test_a_void_draw_takes_no_further_step(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = declared(chain, contract, dev)
    transact(chain, contract, "void", manifest_hash)
    signature = encode_signature(dev.sign(chain.draw_state(contract, manifest_hash).round))
    again = terms_of(contract, manifest_hash=manifest_hash)
    assert "void" in reverts(contract, "settle", manifest_hash, signature)
    assert "nothing to settle" in reverts(contract, "settle_many", [manifest_hash], signature)
    assert "void" in reverts(contract, "void", manifest_hash)
    assert "void" in reverts(contract, "declare_void", manifest_hash, sender=chain.operator)
    assert "already announced" in reverts(contract, "announce", *again, sender=chain.operator)
    assert "already committed" in reverts(contract, "commit", manifest_hash, new_hash(), 5, 1, sender=chain.operator)
    assert "not settled" in reverts(contract, "picks", manifest_hash)
    assert chain.draw_state(contract, manifest_hash).seed == bytes(32)
    assert events(contract, "Settled", manifest_hash=manifest_hash) == []


def test_a_void_draw_in_the_list_does_not_stop_the_others(chain: Chain, contract: str, dev: DevBeacon) -> None:
    # When the beacon speaks again after all, whoever voids one draw must not keep the rest from their result.
    together = commit_together(chain, contract, *[(1000, 3)] * 2)
    round_number = chain.draw_state(contract, together[0]).round
    mine_at(dev.beacon.time_of(round_number) + VOID_AFTER)
    transact(chain, contract, "declare_void", together[0])
    mine_at(chain.draw_state(contract, together[0]).void_at)
    transact(funded_chain(), contract, "void", together[0])
    settle_many(chain, contract, together, dev.sign(round_number))
    assert [chain.draw_state(contract, each).status for each in together] == [DrawStatus.VOID, DrawStatus.SETTLED]
