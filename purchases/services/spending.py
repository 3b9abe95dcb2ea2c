"""What a person spends in a calendar month (UTC), and the limit that they set themselves."""

from uuid import UUID

from django.db.models import Q, Sum, Value

from accounts.models import SpendLimit
from luxewin.money import as_text
from purchases.errors import SpendLimitReached
from purchases.models import Purchase


def spent_this_month(user_id: UUID) -> dict[str, int]:
    """Return what is paid and held in checkouts, by currency. Cost: one query over the person's purchases."""
    bought = Purchase.objects.of_this_month().filter(buyer=user_id).order_by()
    return dict(bought.values_list("currency").annotate(Sum("amount")))


def lock_limits(*people: UUID) -> None:
    """Lock these people's spending limits, so that only this transaction counts purchases against them until it ends.

    Call it before tallies and purchases are locked, as `hold_tickets` does. Cost: one query.
    """
    # Evaluated, so that they are locked before the next statement.
    limits = SpendLimit.objects.select_for_update(no_key=True).filter(user__in=people)
    list(limits.order_by("user_id", "currency").values_list("pk"))


# A lowered limit leaves room for paid purchases first, then for the oldest unpaid ones.
FIRST = [Purchase.Status.PAID, Purchase.Status.PROCESSING, Purchase.Status.PENDING]


def passes_limit(purchase: Purchase) -> bool:
    """Whether this purchase passes its buyer's limit, after those of its calendar month that rank before it.

    A caller that acts on the answer locks the limits first (`lock_limits`). Cost: two queries.
    """
    limits = SpendLimit.objects.as_they_stand().filter(user=purchase.buyer_id)
    in_force: dict[str, int | None] = dict(limits.values_list("currency", "limit"))
    # While one currency has a limit, nothing can be bought in currencies without a limit.
    limit = in_force.get(purchase.currency, 0) if any(each is not None for each in in_force.values()) else None
    if limit is None:
        return False
    rank = FIRST.index(Purchase.Status(purchase.status))
    before = Q(status__in=FIRST[:rank]) | Q(status=purchase.status, pk__lt=purchase.pk)
    same_month = Purchase.objects.of_month(Value(purchase.created_at)).filter(before)
    mine = same_month.filter(buyer=purchase.buyer_id, currency=purchase.currency).order_by()
    return (mine.aggregate(spent=Sum("amount"))["spent"] or 0) + purchase.amount > limit


def limit_reached(user_id: UUID, currency: str) -> SpendLimitReached:
    """Return the Problem that says, in numbers, why the person's limit in a currency left no room."""
    limits = SpendLimit.objects.as_they_stand().filter(user=user_id, currency=currency)
    # 0 for a currency without a limit, while another has one.
    limit = limits.values_list("limit", flat=True).first() or 0
    spent = spent_this_month(user_id).get(currency, 0)
    left = max(0, limit - spent)
    text = (
        f"You have {as_text(left, currency)} left of your monthly limit of {as_text(limit, currency)}. You can raise"
        " the limit in your account; it takes 24 hours."
    )
    return SpendLimitReached(text, currency=currency, limit=limit, spent=spent, left=left)
