"""Frozen raffles that cannot be committed: declared void in public, delayed, refunded. Ours on the chain stays ours."""

import time

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from verification import clients, services
from verification.beacon import BeaconError
from verification.chain import Chain
from verification.models import ChainStep, ChainTransaction, Draw, Pick, UndoneDecision
from verification.services import declare_void

from .mining import decided
from .on_chain import rpc

State = Draw.State
WHY = "The key was stolen on 3 May."
JUNK = b"\7" * 32


@pytest.fixture(autouse=True)
def short(settings):
    """A declared draw can be void two seconds later."""
    settings.DRAW_VOID_SECONDS = 2


def by_hand(mine, call, key=None):
    """The operator's key, in whoever's hands, or this one sends it."""
    wallet = key or mine.another_wallet()
    wallet.broadcast(wallet.sign(call(wallet), wallet.next_nonce()).raw)
    mine.blocks()


def commit_by_hand(mine, draw, commitment, key=None):
    mine.wait_for_next_second()
    facts = {"manifest_hash": bytes.fromhex(draw.manifest_hash), "commitment": commitment}
    facts |= {"tickets": draw.tickets, "wanted": min(draw.tickets, draw.wanted)}
    by_hand(mine, lambda wallet: wallet.prepare_commit(draw.contract.address, **facts), key)


def settle_by_hand(mine, draw):
    manifest_hash = bytes.fromhex(draw.manifest_hash)
    number = mine.chain.draw_state(draw.contract.address, manifest_hash).round
    signature = signed(draw, number)
    by_hand(mine, lambda wallet: wallet.prepare_settle(draw.contract.address, manifest_hash, signature=signature))


def signed(draw, number):
    """The round's signature, once it has appeared."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return clients.client_of(draw.promised_beacon).fetch(number)
        except BeaconError:
            time.sleep(0.2)
    raise AssertionError(f"round {number} does not appear")


def no_key(mine, draw, tmp_path):
    mine.setting(CHAIN_OPERATOR_KEY="")


def no_key_file(mine, draw, tmp_path):
    mine.setting(CHAIN_OPERATOR_KEY="", CHAIN_OPERATOR_KEY_FILE=str(tmp_path / "gone"))


def no_money(mine, draw, tmp_path):
    rpc("anvil_setBalance", mine.chain.operator, "0x0")


def no_contract(mine, draw, tmp_path):
    rpc("anvil_setCode", draw.contract.address, "0x")


def junk(mine, draw, tmp_path):
    commit_by_hand(mine, draw, JUNK)


def junk_that_somebody_settled(mine, draw, tmp_path):
    commit_by_hand(mine, draw, JUNK)
    settle_by_hand(mine, draw)


LOSSES = [no_key, no_key_file, no_money, no_contract, junk, junk_that_somebody_settled]


@pytest.mark.parametrize("loss", LOSSES)
def test_what_cannot_be_committed_is_void_after_its_declaration_and_delay(unsent, mine, root, client, tmp_path, loss):
    draw = unsent(delay_seconds=1)
    loss(mine, draw, tmp_path)
    for _ in range(2):
        stuck = services.advance_draw(draw.pk)
        assert (stuck.state, bool(stuck.trouble)) == (State.FROZEN, True)
    if "junk" in loss.__name__:
        shown = client.get(f"/api/v1/verification/{draw.pk}").json()
        assert "the contract has another commitment" in shown["contradiction"]
        assert client.get(f"/api/v1/verification/{draw.pk}/bundle").json()["commitment"] == draw.commitment
    void_at = declare_void(draw.pk, reason=WHY, actor=root).void_at
    draw = services.advance_draw(draw.pk)
    assert draw.state == State.FROZEN or timezone.now() >= void_at
    until(void_at)
    assert services.advance_draw(draw.pk).state == State.VOID
    draw.raffle.refresh_from_db()
    assert (draw.raffle.status, draw.raffle.cancel_reason) == ("cancelled", WHY)
    assert draw.raffle.cancelled_at >= void_at


def until(moment):
    time.sleep(max(0, (moment - timezone.now()).total_seconds()) + 0.1)


@pytest.mark.parametrize("settled", [False, True])
def test_a_commitment_equal_to_the_frozen_one_ends_by_its_round_and_not_by_the_void(unsent, mine, root, settled):
    draw = unsent(delay_seconds=1)
    void_at = declare_void(draw.pk, reason=WHY, actor=root).void_at
    commit_by_hand(mine, draw, bytes.fromhex(draw.commitment))
    if settled:
        settle_by_hand(mine, draw)
    mine.setting(CHAIN_CONFIRMATIONS=5)  # it does not count yet
    until(void_at)
    assert services.advance_draw(draw.pk).state == State.FROZEN
    mine.setting(CHAIN_CONFIRMATIONS=1)
    assert mine.advance(draw.raffle, State.SETTLED).picks.exists()


@pytest.mark.parametrize("loss", [no_key, no_key_file])
def test_without_the_key_a_draw_goes_on_by_what_others_send(unsent, mine, tmp_path, loss):
    draw = unsent(delay_seconds=1)
    loss(mine, draw, tmp_path)
    commit_by_hand(mine, draw, bytes.fromhex(draw.commitment))
    mine.advance(draw.raffle, State.COMMITTED)
    settle_by_hand(mine, draw)
    assert mine.advance(draw.raffle, State.SETTLED).picks.exists()
    for sent in ChainTransaction.objects.all():
        services.reconcile_transaction(sent.pk)


@pytest.fixture
def shallow(settings, monkeypatch):
    """A chain without the `finalized` tag, on which three blocks are final."""
    settings.CHAIN_FINAL_BLOCKS = 3
    monkeypatch.setattr(Chain, "finalized", lambda self: None)


def replaced_by_junk(mine, draw):
    """The commitment never was in its block, and somebody else's is in the block of the next one."""
    committed = ChainStep.objects.get(step="commit", live=True).transaction.block
    mine.reorganise(mine.chain.head() - committed + 1)
    commit_by_hand(mine, draw, JUNK)


@pytest.mark.parametrize("state", [State.COMMITTED, State.DRAWN])
def test_what_lost_its_commitment_for_good_is_frozen_again_with_the_same_way_out(
    unsent, mine, root, mona, client, shallow, state
):
    draw = unsent(delay_seconds=1)
    before = mine.advance(draw.raffle, State.COMMITTED)
    if state == State.DRAWN:
        before = decided(draw.raffle)
    replaced_by_junk(mine, draw)
    stopped = services.advance_draw(draw.pk)
    # A block that is not final may still be reorganised.
    assert (stopped.state, stopped.round, "another commitment" in stopped.contradiction) == (state, before.round, True)
    mine.blocks(3)
    lost = services.advance_draw(draw.pk)
    assert (lost.state, lost.committed_at, lost.round, lost.seed) == (State.FROZEN, None, None, "")
    assert lost.commitment == before.commitment
    audited = AuditEntry.objects.get(action="draw.commitment_lost")
    assert audited.before == {"state": state, "committed_at": before.committed_at, "round": before.round}
    told = {"draw_stuck", "commitment_gone"} | ({"decision_undone"} if state == State.DRAWN else set())
    assert {note.kind for note in Notification.objects.filter(user=mona)} == told
    undone = client.get(f"/api/v1/verification/{draw.pk}").json()["undone_decisions"]
    assert [each["seed"] for each in undone] == ([before.seed] if state == State.DRAWN else [])
    assert not Pick.objects.exists()
    assert "another commitment" in services.advance_draw(draw.pk).contradiction
    void_at = declare_void(draw.pk, reason=WHY, actor=root).void_at
    until(void_at)
    assert services.advance_draw(draw.pk).state == State.VOID
    draw.raffle.refresh_from_db()
    assert (draw.raffle.status, draw.raffle.drawn_at, draw.raffle.cancel_reason) == ("cancelled", None, WHY)


def test_the_database_freezes_a_draw_again_only_while_no_block_has_its_commitment(unsent, mine):
    raffle = unsent(delay_seconds=1).raffle
    mine.advance(raffle, State.COMMITTED)
    draw = decided(raffle)
    lost = {"state": State.FROZEN, "committed_at": None, "round": None}
    lost |= {"signature": "", "randomness": "", "seed": ""}
    shown = {name: getattr(draw, name) for name in ("committed_at", "round", "signature", "seed")}

    def freeze_again(**otherwise):
        with pytest.raises(IntegrityError, match=r"is fixed|set by the step|set at once"), transaction.atomic():
            Draw.objects.update(**lost | otherwise)

    freeze_again()  # it is in a block, and nothing is shown
    UndoneDecision.objects.create(draw=draw, picks=list(draw.picks.values("position", "ticket")), **shown)
    freeze_again()  # it is in a block
    sent = ChainTransaction.objects.filter(steps__step="commit", steps__live=True)
    sent.update(state="signed", block=None, block_hash="", block_time=None)
    for otherwise in ({"round": 1}, {"committed_at": draw.committed_at}, {"seed": draw.seed}, {"root": "11" * 32}):
        freeze_again(**otherwise)
    assert Draw.objects.update(**lost) == 1
