"""One nonce a step: stuck fees are raised, lost nonces replaced, refusals waited out; each step is taken once."""

import time
from datetime import timedelta
from math import ceil
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from django.conf import settings
from django.utils import timezone

from raffles.services import cancel_raffle
from verification import anchoring, clients, services
from verification.chain import Chain
from verification.chain_types import ChainUnavailable, DrawStatus
from verification.models import ChainAttempt, ChainStep, ChainTransaction, Draw

from .drawing import put_in_state
from .mining import Mine
from .on_chain import ETHER, rpc
from .servers import losing_answers

State, Fate = Draw.State, ChainTransaction.State


def announcing(raffle) -> list[ChainTransaction]:
    """Every transaction that was ever to announce the raffle's draw."""
    return list(ChainTransaction.objects.filter(steps__draw=raffle.pk, steps__step="announce"))


def on_chain(mine: Mine, raffle):
    draw = Draw.objects.select_related("contract").get(pk=raffle.pk)
    return mine.chain.draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))


def long_ago() -> None:
    """What was sent was sent two minutes ago."""
    past = timezone.now() - timedelta(minutes=2)
    ChainAttempt.objects.exclude(sent_at=None).update(sent_at=past, repeated_at=past)


def test_a_stuck_transaction_is_replaced_under_its_nonce_until_it_is_mined(mine, selling):
    raffle = selling()
    services.advance_draw(raffle.pk)
    (sent,) = announcing(raffle)
    for _ in range(2):
        former = sent.attempts.last()
        mine.base_fee(former.max_fee + 10**9)
        mine.blocks()
        assert "is not mined yet" in services.advance_draw(raffle.pk).trouble
        assert sent.attempts.last() == former  # it is not long ago yet
        long_ago()
        services.advance_draw(raffle.pk)
        newest = sent.attempts.last()
        market = mine.chain.fees()
        assert newest != former
        assert newest.max_fee >= max(ceil(former.max_fee * 1.125), market.base + market.tip)
        assert newest.tip >= ceil(former.tip * 1.125)
    mine.blocks()
    assert services.advance_draw(raffle.pk).state == State.ANNOUNCED
    assert [(each.nonce, each.state, each.hash) for each in announcing(raffle)] == [
        (sent.nonce, Fate.DONE, newest.hash)
    ]
    assert mine.chain.next_nonce() == sent.nonce + 1


def test_at_the_cap_a_stuck_step_waits_and_says_so(mine, selling):
    raffle = selling()
    services.advance_draw(raffle.pk)
    attempt = ChainAttempt.objects.get(transaction__steps__draw=raffle.pk)
    mine.setting(CHAIN_MAX_FEE_GWEI=attempt.max_fee / 10**9)
    mine.base_fee(attempt.max_fee + 10**9)
    mine.blocks()
    long_ago()
    assert "CHAIN_MAX_FEE_GWEI" in services.advance_draw(raffle.pk).trouble
    assert ChainAttempt.objects.get(transaction__steps__draw=raffle.pk) == attempt
    mine.setting(CHAIN_MAX_FEE_GWEI=200)
    mine.advance(raffle, State.ANNOUNCED)


def test_at_the_cap_what_the_node_forgot_is_sent_again_as_it_is(mine, selling):
    raffle = selling()
    services.advance_draw(raffle.pk)
    attempt = ChainAttempt.objects.get(transaction__steps__draw=raffle.pk)
    mine.setting(CHAIN_MAX_FEE_GWEI=attempt.max_fee / 10**9)
    rpc("anvil_dropTransaction", attempt.hash)
    long_ago()
    assert "CHAIN_MAX_FEE_GWEI" in services.advance_draw(raffle.pk).trouble
    assert rpc("eth_getTransactionByHash", attempt.hash)["blockHash"] is None
    mine.blocks()
    assert services.advance_draw(raffle.pk).state == State.ANNOUNCED
    assert announcing(raffle)[0].hash == attempt.hash


def test_above_the_cap_nothing_is_signed(mine, selling):
    mine.setting(CHAIN_MAX_FEE_GWEI=0.000001)
    raffle = selling()
    assert "CHAIN_MAX_FEE_GWEI allows" in services.advance_draw(raffle.pk).trouble
    assert not announcing(raffle)
    mine.setting(CHAIN_MAX_FEE_GWEI=200)
    mine.advance(raffle, State.ANNOUNCED)


def test_whichever_version_is_mined_counts(mine, selling, monkeypatch):
    raffle = selling()
    services.advance_draw(raffle.pk)
    first = ChainAttempt.objects.get(transaction__steps__draw=raffle.pk)
    long_ago()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(raffle.pk)
    monkeypatch.undo()
    assert ChainAttempt.objects.filter(transaction=first.transaction).count() == 2
    mine.blocks()
    assert services.advance_draw(raffle.pk).state == State.ANNOUNCED
    assert announcing(raffle)[0].hash == first.hash


def unreachable(self, raw):
    raise ChainUnavailable("not now")


def test_a_node_that_refuses_for_lack_of_funds_leaves_no_gap(mine, selling, monkeypatch):
    first, second = selling(), selling()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(first.pk)
    monkeypatch.undo()
    rpc("anvil_setBalance", mine.chain.operator, "0x0")
    assert "nsufficient funds" in services.advance_draw(first.pk).trouble
    assert "nsufficient funds" in services.advance_draw(second.pk).trouble
    rpc("anvil_setBalance", mine.chain.operator, hex(ETHER))
    mine.advance(second, State.ANNOUNCED, mining=lambda: (services.advance_draw(first.pk), mine.blocks()))
    assert [each.nonce for each in announcing(first) + announcing(second)] == [1, 2]


def test_a_nonce_that_another_wallet_spent_is_replaced_by_a_new_one(mine, selling, monkeypatch):
    raffle = selling()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(raffle.pk)
    monkeypatch.undo()
    mine.spend_nonce()
    mine.advance(raffle, State.ANNOUNCED)
    lost, sent = announcing(raffle)
    assert (lost.state, sent.state, sent.nonce) == (Fate.LOST, Fate.DONE, lost.nonce + 1)
    assert [each.live for each in ChainStep.objects.filter(draw=raffle.pk)] == [False, True]


def test_until_the_other_s_transaction_is_confirmed_no_new_one_is_signed(mine, selling, monkeypatch):
    mine.setting(CHAIN_CONFIRMATIONS=3)
    raffle = selling()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(raffle.pk)
    monkeypatch.undo()
    mine.spend_nonce()
    for _ in range(2):
        services.advance_draw(raffle.pk)
        assert len(announcing(raffle)) == 1
        mine.blocks()
    services.advance_draw(raffle.pk)
    assert len(announcing(raffle)) == 2


def test_a_step_that_the_contract_has_already_is_not_taken_again(mine, selling):
    """What a database restored from yesterday does not know."""
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    (sent,) = announcing(raffle)
    used = mine.chain.next_nonce()
    ChainStep.objects.all().delete()
    ChainAttempt.objects.filter(transaction=sent).delete()
    sent.delete()
    put_in_state(raffle, State.PROMISED)
    assert services.advance_draw(raffle.pk).state == State.ANNOUNCED
    (found,) = announcing(raffle)
    assert (found.hash, found.block, found.block_time) == (sent.hash, sent.block, sent.block_time)
    assert (found.account, mine.chain.next_nonce()) == (None, used)


def test_another_manifest_under_our_number_stops_the_draw_and_staff_are_told(mine, selling, mona, run_tasks):
    raffle = selling()
    draw = Draw.objects.select_related("contract").get()
    wallet = mine.another_wallet()
    theirs = {"raffle": uuid4(), "manifest_hash": b"\7" * 32, "delay_seconds": 1, "commit_by": draw.commit_by}
    call = wallet.prepare_announce(draw.contract.address, sequence=draw.sequence, **theirs)
    wallet.broadcast(wallet.sign(call, wallet.next_nonce()).raw)
    mine.blocks()
    for _ in range(2):
        draw = services.advance_draw(raffle.pk)
    assert draw.trouble.endswith("which it has under another manifest; an operator must look")
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]
    assert not announcing(raffle)


def test_an_answer_that_the_node_lost_is_no_second_transaction(mine, selling):
    raffle, urls = selling(), mine.settings.CHAIN_RPC_URLS
    with losing_answers(urls[0], "eth_sendRawTransaction") as losing:
        mine.setting(CHAIN_RPC_URLS=[losing])
        assert "no node of the chain answered" in services.advance_draw(raffle.pk).trouble
        mine.setting(CHAIN_RPC_URLS=urls)
    mine.advance(raffle, State.ANNOUNCED)
    assert [each.attempts.count() for each in announcing(raffle)] == [1]


def test_a_node_that_hangs_is_given_up_long_before_the_task_runs_out_of_time(mine, selling):
    """A task that keeps running out of time is stopped in the end; an outage, however long, must not stop a draw."""
    raffle, port = selling(), urlsplit(mine.settings.CHAIN_RPC_URLS[0]).port
    listeners = (each for each in psutil.net_connections("tcp4") if each.status == psutil.CONN_LISTEN)
    node = psutil.Process(next(each.pid for each in listeners if each.laddr.port == port))
    node.suspend()
    try:
        began = time.monotonic()
        trouble = services.advance_draw(raffle.pk).trouble
        took = time.monotonic() - began
    finally:
        node.resume()
    assert "no node of the chain answered" in trouble
    assert took < settings.Q_CLUSTER["timeout"] / 4
    mine.advance(raffle, State.ANNOUNCED)


def test_draws_published_together_are_announced_together_in_their_order(mine, selling):
    raffles = [selling() for _ in range(20)]
    services.advance_draw(raffles[7].pk)
    sent = [announcing(raffle)[0] for raffle in raffles]
    assert [each.nonce for each in sent] == list(range(sent[0].nonce, sent[0].nonce + 20))
    mine.blocks()
    assert {services.advance_draw(raffle.pk).state for raffle in raffles} == {State.ANNOUNCED}
    assert len({each.block for raffle in raffles for each in announcing(raffle)}) == 1


def test_an_announcement_that_came_out_of_order_is_signed_anew(mine, selling, monkeypatch):
    first, second = selling(), selling()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(first.pk)
    monkeypatch.undo()
    mine.spend_nonce()  # of the first: the second is mined without it, and reverted
    services.advance_draw(second.pk)
    mine.advance(second, State.ANNOUNCED, mining=lambda: (mine.blocks(), services.advance_draw(first.pk)))
    assert [each.state for each in announcing(first)] == [Fate.LOST, Fate.DONE]
    assert [each.state for each in announcing(second)] == [Fate.REVERTED, Fate.DONE]
    assert on_chain(mine, second).status == DrawStatus.ANNOUNCED


def test_a_draw_that_was_cancelled_keeps_its_transaction_followed(mine, selling, run_tasks):
    raffle = selling()
    services.advance_draw(raffle.pk)
    cancel_raffle(raffle.pk, reason="The watch was stolen.")
    mine.blocks()
    run_tasks()
    assert announcing(raffle)[0].state == Fate.DONE


def test_a_deployment_that_was_interrupted_goes_on(mine, monkeypatch):
    clients.chain.cache_clear()
    mine.settings.CHAIN_CONTRACT = ""
    from verification.models import Contract

    Contract.objects.all().delete()
    ChainAttempt.objects.all().delete()
    ChainTransaction.objects.all().delete()
    monkeypatch.setattr("verification.anchoring.contracts.DEPLOY_SECONDS", -1)
    for _ in range(2):
        with pytest.raises(ChainUnavailable, match="not confirmed"):
            anchoring.deploy_contract()
    assert ChainTransaction.objects.count() == 1
    mine.blocks()
    assert anchoring.deploy_contract() == Contract.objects.get()
    assert ChainTransaction.objects.count() == 1
