"""Payments that a bank takes days over: how many tickets are held for them beyond the usual time, and for whom."""

from uuid import UUID

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from purchases.models import Purchase
from raffles.models import Raffle

# Of one person in one raffle: after so many refusals of banks no more time is given for one.
MOST_REFUSALS = 2
ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('debits ' || %s, 0))"


def is_on_sale(raffle_id: UUID) -> bool:
    """By the database's clock; after it nobody is given time. Cost: one query."""
    on_sale = Raffle.objects.filter(status=Raffle.Status.PUBLISHED, closed_at=None, closes_at__gt=Now())
    return on_sale.filter(pk=raffle_id).exists()


def is_refused_too_often(purchase: Purchase) -> bool:
    """Whether banks refused this buyer in this raffle MOST_REFUSALS times. Cost: one query."""
    theirs = Purchase.objects.filter(raffle=purchase.raffle_id, buyer=purchase.buyer_id)
    return (theirs.order_by().aggregate(Sum("bank_refusals"))["bank_refusals__sum"] or 0) >= MOST_REFUSALS


def may_wait(purchase: Purchase) -> bool:
    """Whether the tickets of a locked purchase stay held until the end of the sale, while a bank works on its payment.

    While the sale goes on, for one purchase of a person at a time and not after MOST_REFUSALS, and for so many tickets
    of the raffle as its `debit_percent` says. The answer holds until the end of the caller's transaction: others of the
    raffle wait for it. Cost: four queries.
    """
    if not is_on_sale(purchase.raffle_id) or is_refused_too_often(purchase):
        return False
    with connection.cursor() as cursor:
        cursor.execute(ONE_BY_ONE, [str(purchase.raffle_id)])
    waiting = Purchase.objects.filter(raffle=purchase.raffle_id, status=Purchase.Status.PROCESSING).order_by()
    if waiting.filter(buyer=purchase.buyer_id).exists():
        return False
    taken = waiting.aggregate(Sum("quantity"))["quantity__sum"] or 0
    raffle = purchase.raffle
    return taken + purchase.quantity <= raffle.capacity * raffle.debit_percent // 100
