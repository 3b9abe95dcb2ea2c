"""Announcements: who is told of a draw's result, and of what became of it."""

from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.notifications import notify
from purchases.models import Purchase
from raffles.models import Prize
from verification.alerts import alert_staff
from verification.models import Award, Draw, Forfeit, Pick, UntoldDraw

BATCH = 200


def tell_winners(draw: Draw) -> None:
    """Tells each winner their prize, in the transaction that decides the draw."""
    for pick in draw.picks.exclude(prize=None).select_related("draw__raffle", "prize", "purchase__buyer"):
        _tell(pick, "draw_won", prize=str(pick.prize and pick.prize.name))


def tell_others(raffle_id: str) -> None:
    """Tells everyone who took part and won nothing; BATCH people a transaction, nobody twice."""
    draw = Draw.objects.select_related("raffle").get(pk=UUID(raffle_id))
    # Not by the role of their pick: an alternate can have stepped up before this runs.
    winners = Award.objects.filter(pick__draw=draw).values("pick__purchase__buyer")
    taking_part = Purchase.objects.paid().filter(raffle=draw.pk).values("buyer")
    people = User.objects.filter(pk__in=taking_part).exclude(pk__in=winners).order_by("pk")
    last = UUID(int=0)
    while batch := list(people.filter(pk__gt=last)[:BATCH]):
        with transaction.atomic():
            for person in batch:
                notify(person, "draw_lost", about=draw.pk, raffle=draw.raffle.title, raffle_id=str(draw.pk))
        last = batch[-1].pk
    UntoldDraw.objects.filter(pk=draw.pk).delete()


def tell_stepped_up(award: Award) -> None:
    """Tells an alternate that a prize is theirs now."""
    _tell(award.pick, "draw_stepped_up", prize=award.prize.name)


def tell_forfeited(forfeit: Forfeit, prize: Prize | None) -> None:
    """Tells whose pick it was, and why; `prize` is what it held."""
    _tell(forfeit.pick, f"draw_{forfeit.kind}", prize=prize and prize.name, reason=forfeit.reason)


def tell_unawarded(draw: Draw, prize: Prize) -> None:
    """Tells staff that no alternate is left for a prize."""
    alert_staff("prize_unawarded", about=prize.pk, raffle=draw.raffle.title, prize=prize.name)


def _tell(pick: Pick, kind: str, **news: Any) -> None:
    facts = {"raffle": pick.draw.raffle.title, "raffle_id": str(pick.draw_id), "ticket": pick.ticket}
    notify(pick.purchase.buyer, kind, about=f"{pick.draw_id}:{pick.position}", **facts, **news)
