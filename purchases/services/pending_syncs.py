"""Stripe notices: noted in the transaction that stores an event, removed once the object was looked at."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db.models import Exists
from django.db.models.functions import Now

from purchases import gateway
from purchases.errors import ProviderRefused
from purchases.models import Payment, StripeNotice
from purchases.services.disputes import note_dispute
from purchases.services.refunds import note_refund
from purchases.services.settlement import settle_intent

log = logging.getLogger(__name__)
# A look that takes longer than this is lost.
LEASE = timedelta(seconds=60)
# How often to ask about a payment that a bank takes days over, in case Stripe's event never comes.
BANK_LEASE = timedelta(minutes=10)

LOOKS: dict[str, Callable[[str], None]] = {
    StripeNotice.About.INTENT: settle_intent,
    StripeNotice.About.REFUND: note_refund,
    StripeNotice.About.DISPUTE: note_dispute,
}


def request_sync(about: StripeNotice.About, object_id: str) -> None:
    """Note, in the caller's transaction, that Stripe has news of an object; the caller enqueues the look at it.

    Cost: one upsert.
    """
    notice = StripeNotice(object_id=object_id, about=about, noted_at=Now(), claimed_until=Now() + LEASE)
    StripeNotice.objects.bulk_create(
        [notice], update_conflicts=True, unique_fields=["object_id"], update_fields=["noted_at", "claimed_until"]
    )


def sync_object(object_id: str) -> None:
    """Fetch an object that Stripe had news of, and update our books to it. Idempotent.

    The notice stays for a sweep if this raises (ProviderUnavailable among others), and while a bank works on the
    payment.
    """
    notice = StripeNotice.objects.filter(pk=object_id).first()
    if notice is None:
        return
    try:
        LOOKS[notice.about](object_id)
    except ProviderRefused as error:
        if error.data.get("provider_code") != gateway.MISSING:
            raise
        log.error("Stripe sent news of %s and does not know it: %s", object_id, error.detail)  # noqa: TRY400
    # Newer news gets a look of its own.
    same = StripeNotice.objects.filter(pk=object_id, noted_at=notice.noted_at)
    waiting = Payment.objects.filter(intent_id=object_id, status=Payment.Status.PROCESSING)
    if not same.filter(~Exists(waiting)).delete()[0]:
        same.update(claimed_until=Now() + BANK_LEASE)
