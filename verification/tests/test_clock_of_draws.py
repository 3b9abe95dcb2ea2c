"""Draws wait by the database's clock: whatever a process takes for the time, none of it is stored or decides."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from luxewin.clock import database_now
from luxewin.tests.clocks import stored_times_to_come, years_ahead
from purchases.tests.stage import over, seated
from raffles.services import close_raffle, publish_raffle
from verification import tasks
from verification.models import ChainTransaction, Draw, Forfeit
from verification.services import advance_draw, claim_award, forfeit_pick

from .drawing import advance_to, closed, committed, crowd, put_in_state
from .held import picks_of

pytestmark = pytest.mark.usefixtures("after_claims")

UNCLAIMED = Forfeit.Kind.UNCLAIMED


def test_nothing_that_is_stored_of_a_raffle_comes_from_a_process_that_is_years_ahead(anchored, draft, people, mona):
    raffle, buyers = draft(delay_seconds=1, alternates=1), people(3)
    with years_ahead():
        raffle = publish_raffle(raffle.pk)
        advance_to(raffle, Draw.State.ANNOUNCED)
        for buyer in buyers:
            seated(buyer, raffle)
    over(raffle)
    with years_ahead():
        close_raffle(raffle.pk)
        advance_to(raffle, Draw.State.SETTLED)
        first, second, _ = picks_of(raffle)
        forfeit_pick(second.pk, kind=UNCLAIMED, reason="Nobody answered for 28 days.", actor=mona)
        claim_award(first.pk, actor=mona)
    assert stored_times_to_come() == []


@pytest.mark.parametrize("state", [Draw.State.ANNOUNCED, Draw.State.COMMITTED])
def test_a_step_that_waits_is_due_again_within_a_minute(state, selling, alice, relays):
    raffle = selling()
    crowd(raffle, alice, [3])
    if state == Draw.State.COMMITTED:
        committed(raffle)
        relays(there=False)
    with years_ahead():
        draw = advance_draw(raffle.pk)
    assert (draw.state, bool(draw.trouble)) == (state, True)
    assert draw.due_at < database_now() + timedelta(minutes=1)


def test_a_draw_that_waits_for_longer_than_any_can_is_taken_up_at_once(selling, alice, capsys):
    raffle = selling()
    crowd(raffle, alice, [3])
    closed(raffle)
    Draw.objects.update(due_at=Now() + timedelta(hours=1))
    assert Draw.objects.unfinished().count() == 1
    call_command("draw_raffle", due=True, wait=60)
    assert Draw.objects.get(pk=raffle.pk).state == Draw.State.DRAWN


def test_a_draw_that_waits_for_its_own_round_or_void_waits_on(selling, alice):
    raffle = selling(delay_seconds=7200)
    crowd(raffle, alice, [3])
    draw = committed(raffle)
    assert draw.due_at > database_now() + timedelta(minutes=100)
    assert not Draw.objects.unfinished().exists()
    Draw.objects.update(due_at=draw.due_at + timedelta(hours=1))
    assert Draw.objects.unfinished().exists()
    # Declared void, it may wait for that; with a day of delay nothing is further away than a day.
    put_in_state(raffle, Draw.State.COMMITTED, void_declared_at=database_now(), void_after=86_400)
    Draw.objects.update(due_at=Now() + timedelta(hours=23))
    assert not Draw.objects.unfinished().exists()
    Draw.objects.update(due_at=Now() + timedelta(hours=25))
    assert Draw.objects.unfinished().exists()


def test_a_transaction_that_waits_for_longer_than_any_can_is_looked_after_at_once(anchored):
    sent = ChainTransaction.objects.create(hash="0x" + "1" * 64, due_at=database_now() + timedelta(hours=1))
    assert tasks.look_after_transactions() == 1
    sent.refresh_from_db()
    assert sent.claimed_until is not None
