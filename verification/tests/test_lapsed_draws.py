"""Draws that were not committed in time: everyone is refunded as soon as a final block says so, and not before."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Notification
from purchases.tests.stage import seated
from verification import services
from verification.models import Draw
from verification.services import draw_steps

from .conftest import mining_when_told
from .drawing import closed
from .mining import decided
from .on_chain import latest_time, mine_at, rpc
from .test_anchoring_sending import long_ago

State = Draw.State


@pytest.fixture
def still_node(tmp_path):
    """A node of each test's own, whose clock runs ahead in the end: its blocks are a second apart at least."""
    with mining_when_told(tmp_path) as url:
        yield url


@pytest.fixture(autouse=True)
def short(settings):
    """Terms may ask for a commitment within a second of the sale's end."""
    settings.HOLD_SECONDS = 1


def lapsing(seconds):
    """Terms by which the entries must be committed within so many seconds."""
    return {"closes_at": timezone.now() + timedelta(seconds=seconds), "commit_within_seconds": 1}


def lapse(draw):
    """A block says that the draw was not committed in time."""
    time.sleep(max(0, draw.commit_by + 1 - time.time()))
    mine_at(max(draw.commit_by, latest_time()) + 1)


def test_what_lapsed_is_void_without_a_declaration_once_a_final_block_says_so(unsent, mine):
    draw = unsent(delay_seconds=1, **lapsing(25))
    services.advance_draw(draw.pk)
    sent = draw.steps.get(step="commit").transaction.attempts.get()
    # Fees rose, and our commitment is in no block.
    mine.setting(CHAIN_MAX_FEE_GWEI=sent.max_fee / 10**9)
    mine.base_fee(sent.max_fee * 2)
    lapse(draw)
    long_ago()
    assert services.advance_draw(draw.pk).state == State.FROZEN
    rpc("anvil_dropAllTransactions")
    mine.blocks(70)
    draw = services.advance_draw(draw.pk)
    assert (draw.state, draw.void_declared_at) == (State.VOID, None)
    draw.raffle.refresh_from_db()
    assert (draw.raffle.status, draw.raffle.cancel_reason) == ("cancelled", draw_steps.LAPSED)


def test_a_decided_draw_whose_commitment_a_reorganisation_took_until_it_lapsed_is_void(unsent, mine, mona, client):
    draw = unsent(delay_seconds=1, **lapsing(25))
    mine.advance(draw.raffle, State.COMMITTED)
    drawn = decided(draw.raffle)
    sent = draw.steps.get(step="commit").transaction
    mine.reorganise(mine.chain.head() - sent.block + 1)
    # Fees rose, and no block takes it in again before its time is over.
    mine.setting(CHAIN_MAX_FEE_GWEI=sent.attempts.get().max_fee / 10**9)
    mine.base_fee(sent.attempts.get().max_fee * 2)
    lapse(draw)
    long_ago()
    assert services.advance_draw(draw.pk).state == State.DRAWN  # no final block says so yet
    rpc("anvil_dropAllTransactions")
    mine.blocks(70)
    assert services.advance_draw(draw.pk).state == State.FROZEN
    draw = services.advance_draw(draw.pk)
    assert (draw.state, draw.void_declared_at) == (State.VOID, None)
    draw.raffle.refresh_from_db()
    assert (draw.raffle.status, draw.raffle.cancel_reason) == ("cancelled", draw_steps.LAPSED)
    told = [note.kind for note in Notification.objects.mails().filter(user=mona)]
    assert sorted(told) == ["commitment_gone", "decision_undone"]
    (shown,) = client.get(f"/api/v1/verification/{draw.pk}").json()["undone_decisions"]
    assert shown["seed"] == drawn.seed
    page = client.get(f"/verify/{draw.raffle.slug}").content.decode()
    assert "moved or removed the commitment" in page
    assert draw_steps.LAPSED in page


def test_what_lapsed_before_its_entries_were_fixed_is_cancelled(mine, selling, alice):
    raffle = selling(**lapsing(15))
    draw = mine.advance(raffle, State.ANNOUNCED)
    seated(alice, raffle, 5)
    closed(raffle)
    lapse(draw)
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.trouble) == (
        State.ANNOUNCED,
        "the draw has lapsed on the chain, and no final block says so yet",
    )
    mine.blocks(70)
    assert services.advance_draw(raffle.pk).state == State.VOID
    raffle.refresh_from_db()
    assert (raffle.status, raffle.cancel_reason) == ("cancelled", draw_steps.LAPSED)
