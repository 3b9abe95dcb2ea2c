"""Disputes: recorded and flagged; what to do about one is for finance to decide. A refund waits for its end."""

import logging

from django.db.models.functions import Now

from luxewin.audit.services import record
from purchases import gateway
from purchases.models import Dispute, Payment, Purchase, Refund
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.stripe_sync import About, note_change
from purchases.services.transitions import request_again

log = logging.getLogger(__name__)


def note_dispute(dispute_id: str) -> None:
    """Records a dispute as Stripe has it now and flags its purchase, which keeps its tickets. Idempotent.

    With its end a refund that it held up, or that failed, is asked for again: of what the dispute left of the money.
    A dispute of a payment that is none of ours is left alone. Raises ProviderUnavailable or Busy.
    """
    said = gateway.retrieve_dispute(dispute_id)
    payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
    if payment is None:
        log.warning("dispute %s is about no payment of ours", dispute_id)
        return
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=payment.purchase_id)
        before = Dispute.objects.filter(pk=said.id).first()
        # Whatever is said of a closed one was asked for before.
        if before and (
            before.status in Dispute.CLOSED or (before.status == said.status and before.amount == said.amount)
        ):
            return
        Dispute.objects.update_or_create(
            pk=said.id,
            defaults={
                "payment": payment,
                "status": said.status,
                "reason": said.reason,
                "amount": said.amount,
                "currency": said.currency,
                "opened_at": said.opened_at,
            },
        )
        Purchase.objects.filter(pk=purchase.pk, disputed_at=None).update(disputed_at=Now())
        after = {"dispute": said.id, "status": said.status, "reason": said.reason, "amount": said.amount}
        record("purchase.disputed", purchase, before={"status": before.status} if before else {}, after=after)
        note_change((About.DISPUTE, said.id), (About.INTENT, str(payment.intent_id)))
        if said.status in Dispute.CLOSED:
            held_up = Refund.objects.filter(payment=payment, status__in=[Refund.Status.WAITING, Refund.Status.FAILED])
            for refund in held_up.select_for_update(no_key=True):
                request_again(refund)
