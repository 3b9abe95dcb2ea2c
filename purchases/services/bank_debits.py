"""Bank debits, which take days: how many tickets are held for them beyond the usual time, and for whom."""

from uuid import UUID

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from purchases.models import Purchase
from raffles.models import Raffle

# After this many bank refusals, a person gets no more time for a bank debit in that raffle.
MOST_REFUSALS = 2
ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('debits ' || %s, 0))"


def is_on_sale(raffle_id: UUID) -> bool:
    """Whether the raffle is on sale, by the database's clock. Cost: one query."""
    on_sale = Raffle.objects.filter(status=Raffle.Status.PUBLISHED, closed_at=None, closes_at__gt=Now())
    return on_sale.filter(pk=raffle_id).exists()


def is_refused_too_often(purchase: Purchase) -> bool:
    """Whether banks refused this buyer in this raffle MOST_REFUSALS times. Cost: one query."""
    theirs = Purchase.objects.filter(raffle=purchase.raffle_id, buyer=purchase.buyer_id)
    return (theirs.order_by().aggregate(Sum("bank_refusals"))["bank_refusals__sum"] or 0) >= MOST_REFUSALS


def may_wait(purchase: Purchase) -> bool:
    """Whether the tickets of a locked purchase stay held until the sale ends, while a bank works on its payment.

    Only during the sale, for one purchase of a person at a time, not after MOST_REFUSALS, and for at most
    `debit_percent` of the raffle's tickets. The answer stays valid until the caller's transaction ends: other purchases
    of the raffle wait for it. Cost: four queries.
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
