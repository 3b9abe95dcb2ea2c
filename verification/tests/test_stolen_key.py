"""The operator's key in other hands: junk under our numbers, or the role itself given away, while draws run."""

from uuid import uuid4

import pytest
from eth_account import Account

from accounts.models import Notification
from raffles.services import cancel_raffle
from verification import services
from verification.anchoring import deploy_contract
from verification.chain import Chain
from verification.models import Draw

from .drawing import closed
from .on_chain import ETHER, raw_call, rpc, transact_by
from .test_ways_out import JUNK, by_hand, commit_by_hand

State = Draw.State


@pytest.fixture
def junk_announced(mine, selling):
    """A raffle whose number the thief gave to a manifest of theirs."""
    raffle = selling()
    draw = Draw.objects.select_related("contract").get(pk=raffle.pk)
    theirs = {"raffle": uuid4(), "manifest_hash": JUNK, "delay_seconds": 1, "commit_by": draw.commit_by}
    by_hand(mine, lambda key: key.prepare_announce(draw.contract.address, sequence=draw.sequence, **theirs))
    assert services.advance_draw(raffle.pk).trouble.endswith("an operator must look")
    return raffle


def test_a_raffle_whose_number_was_taken_is_cancelled_and_the_next_goes_on(junk_announced, mine, selling):
    cancel_raffle(junk_announced.pk, reason="Somebody took its number.")
    draw = services.advance_draw(junk_announced.pk)
    assert (draw.state, draw.trouble) == (State.VOID, "")
    later = selling()
    assert mine.advance(later, State.ANNOUNCED).sequence == draw.sequence + 1


def test_a_contract_whose_numbers_were_taken_is_replaced(junk_announced, mine):
    former = Draw.objects.select_related("contract").get().contract
    assert deployed(mine) == former  # the next number is still ours to give
    theirs = {"raffle": uuid4(), "manifest_hash": b"\10" * 32, "delay_seconds": 1, "commit_by": 2**39}
    by_hand(mine, lambda key: key.prepare_announce(former.address, sequence=junk_announced.draw.sequence + 1, **theirs))
    assert deployed(mine) != former


def deployed(mine):
    """The contract after `deploy_contract`; whatever waits is mined meanwhile."""
    rpc("evm_setAutomine", True)
    try:
        return deploy_contract()
    finally:
        rpc("evm_setAutomine", False)


@pytest.fixture
def heir(mine):
    """A key that the operator's role goes to."""
    account = Account.create()
    rpc("anvil_setBalance", account.address, hex(ETHER))
    return Chain(mine.settings.CHAIN_RPC_URLS, mine.settings.CHAIN_ID, account.key.hex())


def hand_over(mine, contract, heir):
    """In its two steps."""
    for chain, function, arguments in (
        (mine.another_wallet(), "propose_operator", [heir.operator]),
        (heir, "accept_operator", []),
    ):
        transact_by(chain, contract, function, *arguments)
        mine.blocks()
    assert raw_call(contract, "operator") == heir.operator


def test_once_the_role_is_handed_away_the_draw_is_stuck_until_the_new_operator_commits(unsent, mine, heir, mona):
    draw = unsent(delay_seconds=1)
    hand_over(mine, draw.contract.address, heir)
    for _ in range(2):
        stuck = services.advance_draw(draw.pk)
    assert stuck.state == State.FROZEN
    assert "the chain refuses the step: not the operator" in stuck.trouble
    assert "an operator must look" in stuck.trouble
    assert [note.kind for note in Notification.objects.mails().filter(user=mona)] == ["draw_stuck"]
    # The new operator commits what we have published: the draw goes on, and anyone settles it.
    mine.wait_for_next_second()
    commit_by_hand(mine, draw, bytes.fromhex(draw.commitment), key=heir)
    assert mine.advance(draw.raffle, State.SETTLED).picks.exists()


def test_a_contract_whose_role_was_handed_away_is_replaced(unsent, mine, heir):
    draw = unsent(delay_seconds=1)
    hand_over(mine, draw.contract.address, heir)
    assert deployed(mine) != draw.contract


def test_a_junk_commitment_before_the_freeze_stops_the_draw_and_the_raffle_is_cancelled(mine, selling, alice, client):
    raffle = selling()
    draw = mine.advance(raffle, State.ANNOUNCED)
    draw = Draw.objects.select_related("contract").get(pk=draw.pk)
    draw.tickets = 9
    commit_by_hand(mine, draw, JUNK)
    closed(raffle)
    stopped = services.advance_draw(raffle.pk)
    assert stopped.state == State.ANNOUNCED
    assert "the contract has a commitment" in client.get(f"/api/v1/verification/{raffle.pk}").json()["contradiction"]
    cancel_raffle(raffle.pk, reason="Somebody signs with our key.")
    assert Draw.objects.get().state == State.VOID
    assert client.get(f"/api/v1/raffles/{raffle.pk}").json()["cancel_reason"] == "Somebody signs with our key."
