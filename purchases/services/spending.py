"""What a person spends in a calendar month (UTC), beside the limit that they set themselves."""

from uuid import UUID

from django.db.models import Sum

from accounts.models import SpendLimit
from luxewin.money import as_text
from purchases.errors import SpendLimitReached
from purchases.models import Purchase


def spent_this_month(user_id: UUID) -> dict[str, int]:
    """By currency: what is paid, and what is held in a checkout. Cost: one query over the person's purchases."""
    bought = Purchase.objects.of_this_month().filter(buyer=user_id).order_by()
    return dict(bought.values_list("currency").annotate(Sum("amount")))


def limit_reached(user_id: UUID, currency: str) -> SpendLimitReached:
    """Why this person's limit left no room in a currency, in numbers."""
    limits = SpendLimit.objects.as_they_stand().filter(user=user_id, currency=currency)
    # One that has none of its own, while another has.
    limit = limits.values_list("limit", flat=True).first() or 0
    spent = spent_this_month(user_id).get(currency, 0)
    left = max(0, limit - spent)
    text = (
        f"Of your limit of {as_text(limit, currency)} a month {as_text(left, currency)} are left. It can be raised in"
        " users/safeguards; that takes 24 hours."
    )
    return SpendLimitReached(text, currency=currency, limit=limit, spent=spent, left=left)
