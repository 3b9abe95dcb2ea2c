"""Announcements: who is told of a draw's result."""

from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.notifications import notify
from purchases.models import Purchase
from verification.models import Draw

BATCH = 200


def tell_winners(draw: Draw) -> None:
    """Tells each winner their prize, in the transaction that decides the draw."""
    for pick in draw.picks.exclude(prize=None).select_related("prize", "purchase__buyer"):
        news = {
            "raffle": draw.raffle.title,
            "prize": str(pick.prize and pick.prize.name),
            "ticket": pick.ticket,
            "raffle_id": str(draw.pk),
        }
        notify(pick.purchase.buyer, "draw_won", about=f"{draw.pk}:{pick.position}", **news)


def tell_others(raffle_id: str) -> None:
    """Tells everyone who took part and won nothing; BATCH people a transaction, nobody twice."""
    draw = Draw.objects.select_related("raffle").get(pk=UUID(raffle_id))
    winners = draw.picks.exclude(prize=None).values("purchase__buyer")
    taking_part = Purchase.objects.paid().filter(raffle=draw.pk).values("buyer")
    people = User.objects.filter(pk__in=taking_part).exclude(pk__in=winners).order_by("pk")
    last = UUID(int=0)
    while batch := list(people.filter(pk__gt=last)[:BATCH]):
        with transaction.atomic():
            for person in batch:
                notify(person, "draw_lost", about=draw.pk, raffle=draw.raffle.title, raffle_id=str(draw.pk))
        last = batch[-1].pk
