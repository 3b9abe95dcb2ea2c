"""What becomes known of a held draw: everyone is told once, and winners are named as they chose."""

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Notification, Preferences
from purchases.models import Purchase
from purchases.tests.stage import seated
from raffles.models import Prize, Raffle
from raffles.services import publish_raffle
from verification import announcements, tasks
from verification.models import Draw, Pick, UntoldDraw

from .drawing import URL, advance_to, closed

State = Draw.State


def test_winners_and_others_are_each_told_once(selling, people, run_tasks):
    raffle = selling(prizes=[{"name": "A watch"}], alternates=1)
    buyers = people(4)
    Preferences.objects.filter(user=buyers[3]).update(switched_off={"draws": ["email"]})
    for buyer in buyers:
        seated(buyer, raffle, 2)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    run_tasks()
    announcements.notify_entrants(str(raffle.pk))
    run_tasks()
    winner = Pick.objects.get(position=1).purchase.buyer
    news = {(note.user, note.kind) for note in Notification.objects.mails().filter(kind__startswith="draw_")}
    alternate = Pick.objects.get(position=2).purchase.buyer
    picked = {(winner, "draw_won")} | ({(alternate, "draw_alternate")} - {(winner, "draw_alternate")})
    others = {(buyer, "draw_lost") for buyer in buyers[:3] if buyer not in {winner, alternate}}
    assert news == others | picked
    mailed = [message.to[0] for message in mail.outbox if raffle.title in message.subject + message.body]
    assert {each.email for each, _ in news} <= set(mailed)
    told = [message for message in mail.outbox if message.to == [winner.email] and "A watch" in message.body]
    assert len(told) == 1


def test_those_who_won_nothing_are_told_although_the_first_try_failed(selling, people, run_tasks, monkeypatch):
    raffle = selling(prizes=[{"name": "A watch"}], alternates=0)
    for buyer in people(3):
        seated(buyer, raffle, 2)
    closed(raffle)
    advance_to(raffle, State.DRAWN)

    def failing(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(announcements, "notify_all", failing)
        with pytest.raises(OperationalError):
            tasks.notify_entrants(str(raffle.pk))
    assert tasks.tell_of_held_draws() == 1
    assert tasks.tell_of_held_draws() == 0  # claimed
    UntoldDraw.objects.update(claimed_until=timezone.now())
    run_tasks()
    assert Notification.objects.mails().filter(kind="draw_lost").count() == 2
    assert not UntoldDraw.objects.exists()


def test_somebody_with_many_picks_gets_one_mail(selling, people, run_tasks):
    raffle = selling(prizes=[{"name": f"Prize {number}"} for number in range(1, 21)], alternates=20)
    buyers = people(2)
    for buyer in buyers:
        seated(buyer, raffle, 20)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    run_tasks()
    news = [message for message in mail.outbox if f"/verify/{raffle.pk}" in message.body]
    mails = {message.to[0]: message for message in news}
    assert len(news) == len(mails) == 2
    for buyer in buyers:
        won = Pick.objects.filter(purchase__buyer=buyer).exclude(prize=None).select_related("prize")
        assert f"{len(won)} prizes" in mails[buyer.email].subject
        for pick in won:
            assert f"    {pick.prize.name} (ticket {pick.ticket})\n" in mails[buyer.email].body


@pytest.mark.parametrize(("language", "says"), [("en", "alternate number"), ("de", "Ersatzplatz")])
def test_alternates_are_told_their_place_and_not_that_they_lost(language, says, selling, people, run_tasks):
    raffle = selling(prizes=[{"name": "A watch"}], alternates=7)
    buyers = people(2)
    Preferences.objects.update(language=language, switched_off={"draws": ["email"]})
    for buyer in buyers:
        seated(buyer, raffle, 4)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    run_tasks()
    waiting = Pick.objects.exclude(purchase__buyer=Pick.objects.get(position=1).purchase.buyer)
    news = [message for message in mail.outbox if f"/verify/{raffle.pk}" in message.body]
    (told,) = [message for message in news if message.to == [waiting[0].purchase.buyer.email]]
    assert len(waiting) == 4
    for pick in waiting:
        assert f" {pick.ticket}: {says} {pick.position - 1}\n" in told.body


def test_winners_are_named_as_they_chose(selling, people, client):
    raffle = selling(prizes=[{"name": f"Prize {number}"} for number in range(3)], alternates=1)
    names = dict(zip(("full", "initials", "anonymous"), people(3), strict=True))
    for choice, buyer in names.items():
        Preferences.objects.filter(user=buyer).update(winner_name=choice)
        type(buyer).objects.filter(pk=buyer.pk).update(display_name=f"Ada {choice}")
        seated(buyer, raffle, 2)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    shown = client.get(f"{URL}/{raffle.slug}").json()["picks"]
    entries = {str(each.entry_id): each.buyer for each in Purchase.objects.select_related("buyer")}
    expected = {names["full"]: "Ada full", names["initials"]: "A.I.", names["anonymous"]: ""}
    for pick in shown:
        assert pick["name"] == ("" if pick["role"] == "alternate" else expected[entries[pick["entry_id"]]])
    assert [pick["role"] for pick in shown] == ["winner"] * 3 + ["alternate"]


def test_a_prize_and_a_title_with_odd_characters_from_before_reach_winner_and_buyers(draft, people, run_tasks):
    raffle = draft(prizes=[{"name": "?"}], alternates=0)
    # As it could be written once: no service writes it today.
    Raffle.objects.filter(pk=raffle.pk).update(title="A\u2028title\x85here")
    Prize.objects.filter(raffle=raffle).update(name="A\u2028watch\x0bof gold")
    publish_raffle(raffle.pk)
    for buyer in people(2):
        seated(buyer, raffle, 1)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    run_tasks()
    assert set(Notification.objects.mails().values_list("status", flat=True)) == {Notification.Status.ACCEPTED}
    assert {"A title here: you won A watch of gold", "The draw of A title here"} <= {
        message.subject for message in mail.outbox
    }
