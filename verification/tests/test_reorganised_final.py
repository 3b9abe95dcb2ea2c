"""Reorganisations deeper than CHAIN_FINAL_BLOCKS: what was called final is looked at for ever, and done again."""

import time

import pytest

from accounts.models import Notification
from verification.chain import Chain
from verification.chain_types import DrawStatus
from verification.models import ChainTransaction, Draw, UndoneDecision
from verification.services import declare_void

from .mining import decided
from .on_chain import latest_time, mine_at
from .test_anchoring_reorganised import look_again, on_chain, taking

State, Fate = Draw.State, ChainTransaction.State


@pytest.fixture(autouse=True)
def shallow(settings, monkeypatch):
    """A chain without the `finalized` tag, on which three blocks are final; voids take a second."""
    settings.CHAIN_FINAL_BLOCKS, settings.DRAW_VOID_SECONDS = 3, 1
    monkeypatch.setattr(Chain, "finalized", lambda self: None)


def undone(mine, step, *, spent=False):
    """The step is final, and then the block that took it never was; if `spent`, another transaction has its nonce."""
    mine.blocks(3)
    look_again()
    sent = taking(step)
    assert sent.state == Fate.FINAL
    mine.reorganise(mine.chain.head() - sent.block + 1)
    if spent:
        mine.spend_nonce()
    return sent


def repaired(mine):
    """The sweep looks, and blocks are mined, dated later than before."""
    for _ in range(3):
        look_again()
        mine_at(max(latest_time() + 1, int(time.time())))
    mine.blocks(2)
    look_again()
    return Draw.objects.get()


def test_an_announcement_is_sent_again(mine, selling):
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    sent = undone(mine, "announce")
    assert on_chain(mine).status == DrawStatus.UNKNOWN
    assert repaired(mine).state == State.ANNOUNCED
    assert (on_chain(mine).status, taking("announce").hash) == (DrawStatus.ANNOUNCED, sent.hash)


def test_a_commitment_is_sent_again_and_an_undecided_draw_follows(frozen, mine):
    before = mine.advance(frozen(delay_seconds=3600), State.COMMITTED)
    undone(mine, "commit")
    after = repaired(mine)
    state = on_chain(mine)
    assert (after.state, after.contradiction) == (State.COMMITTED, "")
    assert (after.committed_at, after.round) == (state.committed_at, state.round) != (before.committed_at, before.round)


def test_a_decided_draw_follows_before_winners_are_told(frozen, mine):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    drawn = decided(raffle)
    undone(mine, "commit")
    after = repaired(mine)
    state = on_chain(mine)
    assert (after.committed_at, after.round) == (state.committed_at, state.round) != (drawn.committed_at, drawn.round)
    assert (after.state, after.seed, after.contradiction) == (State.COMMITTED, "", "")
    assert UndoneDecision.objects.get().seed == drawn.seed
    assert not Notification.objects.mails().exists()
    assert mine.advance(raffle, State.SETTLED).seed == on_chain(mine).seed.hex() != drawn.seed


def test_a_settled_draw_whose_commitment_moves_stops_in_public_and_staff_are_told(frozen, mine, client, mona):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    decided(raffle)
    settled = mine.advance(raffle, State.SETTLED)
    picks = list(settled.picks.values())
    undone(mine, "commit")
    stopped = repaired(mine)
    assert (stopped.state, stopped.round, stopped.seed) == (State.SETTLED, settled.round, settled.seed)
    assert list(stopped.picks.values()) == picks
    shown = client.get(f"/api/v1/verification/{raffle.pk}").json()
    assert "and people were told" in shown["contradiction"]
    assert {note.kind for note in mona.notifications.all()} == {"commitment_gone", "draw_stuck"}


def test_a_settlement_whose_nonce_is_spent_is_signed_anew(frozen, mine):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    decided(raffle)
    mine.advance(raffle, State.SETTLED)
    sent = undone(mine, "settle", spent=True)
    assert on_chain(mine).status == DrawStatus.COMMITTED
    assert (repaired(mine).state, on_chain(mine).status) == (State.SETTLED, DrawStatus.SETTLED)
    assert taking("settle").pk != sent.pk


def test_a_void_whose_nonce_is_spent_is_signed_anew(frozen, mine, relays, root):
    raffle = frozen(delay_seconds=1)
    relays(there=False)
    draw = mine.advance(raffle, State.COMMITTED)
    time.sleep(max(0, draw.promised_beacon.time_of(draw.round) + draw.void_after - time.time()) + 0.1)
    mine.catch_up()
    declare_void(raffle.pk, reason="The beacon stopped.", actor=root)
    mine.advance(raffle, State.VOID, mining=lambda: (time.sleep(0.5), mine.catch_up()))
    sent = undone(mine, "void", spent=True)
    assert on_chain(mine).status == DrawStatus.COMMITTED
    assert (repaired(mine).state, on_chain(mine).status) == (State.VOID, DrawStatus.VOID)
    assert taking("void").pk != sent.pk


def test_where_nodes_have_the_tag_depth_alone_is_not_final(mine, selling, monkeypatch):
    monkeypatch.undo()  # the node's tag is 64 blocks behind its tip
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    mine.blocks(5)
    look_again()
    assert taking("announce").state == Fate.DONE
