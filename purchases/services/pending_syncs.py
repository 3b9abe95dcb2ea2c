"""Stripe notices: noted in the transaction that stores an event, removed once the object was looked at."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Exists
from django.db.models.functions import Now

from luxewin.api.problems import Busy
from purchases import gateway
from purchases.errors import ProviderRefused
from purchases.models import Payment, StripeNotice
from purchases.services.disputes import note_dispute
from purchases.services.refunds import note_refund
from purchases.services.settlement import apply_intent, settle_intent, settle_together

log = logging.getLogger(__name__)
# A look that takes longer than this is lost.
LEASE = timedelta(seconds=60)
# How often to ask about a payment that a bank takes days over, in case Stripe's event never comes.
BANK_LEASE = timedelta(minutes=10)

# A task settles so many payments together at most: all buyers of the raffle wait while it gives the numbers.
BATCH = 50
# So many notices are looked at for those of the same raffle, however many wait.
LOOKED_AT = 200
# Those that nobody works on: not claimed again since they were noted. In SQL, because one statement finds and claims.
TAKE_BESIDE = """
    WITH free AS (
        SELECT object_id FROM purchases_stripenotice
        WHERE about = 'payment_intent' AND object_id <> %(intent)s AND (
            claimed_until IS NULL OR claimed_until <= statement_timestamp() OR claimed_until = noted_at + %(lease)s
        ) ORDER BY claimed_until LIMIT %(looked_at)s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE purchases_stripenotice SET claimed_until = statement_timestamp() + %(lease)s WHERE object_id IN (
        SELECT object_id FROM free
        JOIN purchases_payment AS payment ON payment.intent_id = object_id AND payment.status = 'open'
        JOIN purchases_purchase AS purchase ON purchase.id = payment.purchase_id
        WHERE purchase.raffle_id = (
            SELECT raffle_id FROM purchases_payment AS own JOIN purchases_purchase AS mine ON mine.id = own.purchase_id
            WHERE own.intent_id = %(intent)s AND own.status = 'open'
        ) LIMIT %(most)s
    ) RETURNING object_id, noted_at
"""
# News that came since gets a look of its own.
DROP_SETTLED = """
    DELETE FROM purchases_stripenotice AS notice
    USING unnest(%s::text[], %s::timestamptz[]) AS taken(object_id, noted_at), purchases_payment AS payment
    WHERE notice.object_id = taken.object_id AND notice.noted_at = taken.noted_at
        AND payment.intent_id = taken.object_id AND payment.status = 'succeeded'
"""

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

    Where news of other payments of the raffle waits too, they are settled together first; their own tasks then find
    nothing to do. The notice stays for a sweep if this raises (ProviderUnavailable among others), and while a bank
    works on the payment.
    """
    notice = StripeNotice.objects.filter(pk=object_id).first()
    if notice is None:
        return
    answered = _settle_beside(object_id) if notice.about == StripeNotice.About.INTENT else {}
    try:
        if object_id not in answered:
            LOOKS[notice.about](object_id)
        elif left := answered[object_id]:
            apply_intent(*left)
    except ProviderRefused as error:
        if error.data.get("provider_code") != gateway.MISSING:
            raise
        log.error("Stripe sent news of %s and does not know it: %s", object_id, error.detail)  # noqa: TRY400
    # Newer news gets a look of its own.
    same = StripeNotice.objects.filter(pk=object_id, noted_at=notice.noted_at)
    waiting = Payment.objects.filter(intent_id=object_id, status=Payment.Status.PROCESSING)
    if not same.filter(~Exists(waiting)).delete()[0]:
        same.update(claimed_until=Now() + BANK_LEASE)


def _settle_beside(intent_id: str) -> dict[str, tuple[Payment, gateway.Intent] | None]:
    """Settle the payment together with others of its raffle of which news waits, if there are any.

    Return what `settle_together` does. If that fails, nothing has changed: each is settled by its own task. Cost
    without others: one statement.
    """
    with connection.cursor() as cursor:
        wanted: dict[str, Any] = {"intent": intent_id, "lease": LEASE, "looked_at": LOOKED_AT, "most": BATCH - 1}
        cursor.execute(TAKE_BESIDE, wanted)
        taken = cursor.fetchall()
    if not taken:
        return {}
    others = [each for each, _ in taken]
    try:
        answered = settle_together([intent_id, *others])
    except (Busy, DatabaseError) as error:
        log.warning("%s payments cannot be settled together, each is settled by itself: %s", len(others) + 1, error)
        return {}
    with connection.cursor() as cursor:
        cursor.execute(DROP_SETTLED, [others, [noted_at for _, noted_at in taken]])
    return answered
