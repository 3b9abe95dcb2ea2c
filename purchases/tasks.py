"""Purchases' background work. Every task is idempotent; the sweeps take up what was dropped."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from luxewin.tasks.sweeps import enqueue_due, sweep
from purchases import services
from purchases.errors import ProviderUnavailable
from purchases.models import Purchase, Refund
from raffles.models import Raffle

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
CANCELLED_LATELY = timedelta(days=2)


@sweep(every=1)
def expire_overdue_purchases() -> int:
    """Finds holds whose time is over."""
    return enqueue_due(Purchase.objects.overdue(), expire_purchase, lease=LEASE)


@sweep(every=1)
def carry_out_open_refunds() -> int:
    """Finds refunds that Stripe was not asked for yet, or has not finished."""
    return enqueue_due(Refund.objects.filter(status__in=Refund.OPEN), execute_refund, lease=LEASE)


@sweep(every=30)
def resume_cancelled_raffles() -> int:
    """Finds cancelled raffles in which somebody still owns tickets: a payment settled late, or a worker died."""
    lately = Raffle.objects.filter(status=Raffle.Status.CANCELLED, cancelled_at__gte=Now() - CANCELLED_LATELY)
    owing = lately.filter(Exists(Purchase.objects.paid().filter(raffle=OuterRef("pk"))))
    return enqueue_due(owing, refund_raffle, lease=LEASE)


def settle_intent(intent_id: str) -> None:
    """After an event about it. Raises if Stripe does not answer: the queue tries again, and so does reconciliation."""
    services.settle_intent(intent_id)


def note_dispute(dispute_id: str) -> None:
    """After an event about it."""
    services.note_dispute(dispute_id)


def expire_purchase(purchase_id: str) -> None:
    """An overdue hold; if Stripe does not answer it stays, and the next sweep tries again."""
    try:
        services.expire_purchase(UUID(purchase_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, the hold of purchase %s stays: %s", purchase_id, error.__cause__)  # noqa: TRY400


def execute_refund(refund_id: str) -> None:
    """One refund; the sweep comes back if Stripe does not answer."""
    try:
        services.execute_refund(UUID(refund_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, refund %s waits: %s", refund_id, error.__cause__)  # noqa: TRY400


def refund_raffle(raffle_id: str) -> None:
    """Everyone in a cancelled raffle."""
    services.refund_raffle(UUID(raffle_id))
