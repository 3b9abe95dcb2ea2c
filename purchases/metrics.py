"""Gauges of money and tickets on their way."""

from luxewin.metrics import age_of_oldest, register
from purchases.models import Dispute, Purchase, Refund, StripeNotice, UnstoredEvent

OPEN_DISPUTES = Dispute.objects.exclude(status__in=Dispute.CLOSED)
OPEN_REFUNDS = Refund.objects.filter(status__in=[Refund.Status.REQUESTED, Refund.Status.PENDING])

register("holds", "Purchases that hold tickets.", lambda: Purchase.objects.holding().count())
register(
    "holds_overdue_seconds",
    "How long ago the oldest should have ended.",
    lambda: age_of_oldest(Purchase.objects.overdue(), "expires_at"),
    most=600,
)
register("stripe_news", "Objects with news at Stripe that nobody looked at.", StripeNotice.objects.count)
register(
    "stripe_news_seconds",
    "How long ago the oldest of these news came.",
    lambda: age_of_oldest(StripeNotice.objects.all(), "noted_at"),
    most=300,
)
register("stripe_events_unstored", "Stripe's events that could not be stored.", UnstoredEvent.objects.count, most=0)
register("refunds_open", "Refunds on their way.", OPEN_REFUNDS.count)
register(
    "refunds_open_seconds",
    "How old the oldest of them is.",
    lambda: age_of_oldest(OPEN_REFUNDS, "created_at"),
    most=864_000,
)
register("disputes_open", "Disputes that are not over.", OPEN_DISPUTES.count)
