"""Draws' background work."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.notifications import notify
from luxewin.tasks.sweeps import enqueue_due, sweep
from purchases.models import Purchase
from verification import services
from verification.models import Draw

LEASE = timedelta(seconds=60)
BATCH = 200


@sweep(every=1)
def advance_unfinished_draws() -> int:
    """Finds draws with a step to take."""
    return enqueue_due(Draw.objects.unfinished(), advance_draw, lease=LEASE)


def advance_draw(raffle_id: str) -> None:
    """Takes every step of one draw that can be taken now."""
    services.advance_draw(UUID(raffle_id))


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
