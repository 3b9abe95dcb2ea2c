"""Mails to winners say until when they can claim: the very moment before which nobody marks a prize unclaimed."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Notification, Preferences
from accounts.notifications import compose
from verification import announcements
from verification.announcements import tell_winners
from verification.errors import ClaimTimeRuns
from verification.models import Award, Draw, Forfeit, claim_ends
from verification.services import forfeit_pick

from .drawing import put_in_state
from .held import held, picks_of

DAY = 86_400
PRIZES = [{"name": "A watch"}]


@pytest.fixture
def drawn(on_sale, alice, bob, settings):
    """Alice won, and Bob is her alternate; prizes can be claimed for two days. The round came just now."""
    raffle = on_sale(prizes=PRIZES, alternates=1, claim_seconds=2 * DAY)
    picks = held(raffle, alice, bob)
    number = raffle.draw.promised_beacon.first_round_at(int(timezone.now().timestamp()))
    put_in_state(raffle, Draw.State.DRAWN, committed_at=1, round=number)
    return picks


def promised(person, kind):
    """The deadline in the mail's context, and the mail's text."""
    note = Notification.objects.mails().get(user=person, kind=kind)
    return datetime.fromisoformat(note.context["claim_until"]), compose(note).body


def refused_until(pick, actor):
    """The moment from which on the product takes the prize for unclaimed."""
    with pytest.raises(ClaimTimeRuns) as refusal:
        forfeit_pick(pick.pk, kind=Forfeit.Kind.UNCLAIMED, reason="Nobody came.", actor=actor)
    return refusal.value.data["until"]


@pytest.mark.parametrize(("language", "said"), [("en", "Please write to"), ("de", "schreiben Sie bis")])
def test_a_winner_reads_the_moment_that_the_product_keeps(drawn, alice, mona, language, said):
    Preferences.objects.filter(user=alice).update(language=language, time_zone="Asia/Tokyo")
    winner = drawn[0]
    tell_winners(Draw.objects.get(pk=winner.draw_id))
    until, text = promised(alice, "draw_won")
    assert until == refused_until(winner, mona)
    draw = Draw.objects.get(pk=winner.draw_id)
    assert until.timestamp() == draw.promised_beacon.time_of(draw.round) + 2 * DAY
    line = next(line for line in text.splitlines() if said in line)
    assert "(JST)" in line


@pytest.mark.parametrize(("language", "said"), [("en", "Please write to"), ("de", "schreiben Sie bis")])
def test_an_alternate_who_is_called_has_the_whole_time_from_then_on(drawn, bob, mona, language, said):
    Preferences.objects.filter(user=bob).update(language=language)
    winner, alternate = drawn
    forfeit_pick(winner.pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Works for the organiser.", actor=mona)
    until, text = promised(bob, "draw_stepped_up")
    alternate = picks_of(winner.purchase.raffle)[1]
    assert until == refused_until(alternate, mona)
    assert until.timestamp() == pytest.approx(alternate.award.at.timestamp() + 2 * DAY, abs=1e-3)
    assert any(said in line for line in text.splitlines())


def test_winners_are_reminded_while_they_can_still_claim_and_nobody_else(drawn, alice, bob, monkeypatch):
    draw = Draw.objects.get(pk=drawn[0].draw_id)
    until = claim_ends(draw.picks.get(position=1))

    def reminders(before: timedelta) -> list[str]:
        monkeypatch.setattr(announcements, "database_now", lambda: until - before)
        announcements.remind_winners()
        told = Notification.objects.mails().filter(kind="claim_reminder").order_by("id")
        assert {each.user for each in told} <= {alice}
        return [each.dedupe_key.split(":")[3] for each in told]

    # Two days are too short for a reminder a week before.
    assert reminders(timedelta(days=1, minutes=1)) == []
    assert reminders(timedelta(days=1)) == reminders(timedelta(hours=1)) == ["1"]
    assert reminders(-timedelta(minutes=1)) == ["1"]
    told = Notification.objects.mails().get(kind="claim_reminder")
    assert datetime.fromisoformat(told.context["until"]) == until
    assert "A watch (ticket 1)" in compose(told).body
    # Of a prize that was handed over nobody is reminded.
    Notification.objects.all().delete()
    Award.objects.filter(pick__draw=draw).update(claimed_at=timezone.now())
    assert reminders(timedelta(hours=1)) == []
