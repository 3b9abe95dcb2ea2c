"""Disputes: recorded and flagged; finance decides what to do. A refund waits until its dispute ends."""

import logging

from django.db.models.functions import Now

from accounts.alerts import alert_finance
from luxewin.audit.services import record
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from purchases import gateway
from purchases.models import Dispute, Payment, Purchase, Refund
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.stripe_sync import About, note_change
from purchases.services.transitions import request_again

log = logging.getLogger(__name__)


def note_dispute(dispute_id: str) -> None:
    """Record a dispute as Stripe has it now and flag its purchase, which keeps its tickets. Idempotent.

    When the dispute ends, a refund that waited for it, or that failed, is requested again for the money that is left.
    A dispute of an unknown payment is ignored. Raises ProviderUnavailable or Busy.
    """
    said = gateway.retrieve_dispute(dispute_id)
    payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
    if payment is None:
        log.warning("dispute %s is about no payment of ours", dispute_id)
        return
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=payment.purchase_id)
        before = Dispute.objects.filter(pk=said.id).first()
        # News of a closed dispute was requested before it closed.
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
        if before is None:
            names = {"dispute": said.id, "purchase": purchase.pk, "raffle": purchase.raffle_id}
            facts = {"amount": said.amount, "currency": said.currency, "reason": said.reason}
            webhooks.emit(EventType.DISPUTE_OPENED, [(said.id, names | {"buyer": purchase.buyer_id} | facts)])
            if said.status not in Dispute.CLOSED:
                facts |= {"purchase": str(purchase.pk), "due": said.due_at and said.due_at.isoformat()}
                alert_finance("dispute_opened", about=said.id, raffle=purchase.raffle.title, **facts)
        note_change((About.DISPUTE, said.id), (About.INTENT, str(payment.intent_id)))
        if said.status in Dispute.CLOSED:
            held_up = Refund.objects.filter(payment=payment, status__in=[Refund.Status.WAITING, Refund.Status.FAILED])
            for refund in held_up.select_for_update(no_key=True):
                request_again(refund)
