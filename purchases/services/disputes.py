"""Disputes: recorded and flagged; finance decides what to do. A refund waits until its dispute ends."""

import logging

from django.db.models.functions import Now

from accounts.alerts import alert_finance
from luxewin.api.problems import Busy
from luxewin.audit.services import record
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from purchases import gateway
from purchases.models import Dispute, Payment, Purchase, Refund
from purchases.services.flags import add_flag
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.refunds import money_came_back
from purchases.services.stripe_sync import About, note_change
from purchases.services.transitions import request_again

log = logging.getLogger(__name__)


# Several events of a dispute come at once; each look that another overtook asks again.
LOOKS = 3


def note_dispute(dispute_id: str) -> None:
    """Record a dispute as Stripe has it now and flag its purchase, which keeps its tickets. Idempotent.

    When the dispute ends, a refund that waited for it, or that failed, is requested again for the money that is left.
    Also for one that had ended: a bank can decide anew. A dispute of an unknown payment is ignored. Raises
    ProviderUnavailable or Busy.
    """
    for _ in range(LOOKS):
        recorded = Dispute.objects.filter(pk=dispute_id).first()
        said = gateway.retrieve_dispute(dispute_id)
        payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
        if payment is None:
            log.warning("dispute %s is about no payment of ours", dispute_id)
            return
        if _note(said, payment, recorded):
            return
    raise Busy("Others record this dispute at the same time.")


def _note(said: gateway.StripeDispute, payment: Payment, recorded: Dispute | None) -> bool:
    """Apply Stripe's answer; return False if the record changed since before Stripe was asked, as it may be newer."""
    with atomic_with_lock_timeout():
        purchase = Purchase.objects.select_for_update(no_key=True, of=("self",)).get(pk=payment.purchase_id)
        before = Dispute.objects.filter(pk=said.id).first()
        if (before and before.updated_at) != (recorded and recorded.updated_at):
            return False
        if before and (before.status, before.amount, before.currency) == (said.status, said.amount, said.currency):
            return True
        dispute, _ = Dispute.objects.update_or_create(
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
        purchase.refresh_from_db(fields=["disputed_at"])
        after = {"dispute": said.id, "status": said.status, "reason": said.reason, "amount": said.amount}
        record("purchase.disputed", purchase, before={"status": before.status} if before else {}, after=after)
        _tell(purchase, before, said)
        note_change((About.DISPUTE, said.id), (About.INTENT, str(payment.intent_id)))
        if said.currency != purchase.currency:
            add_flag(purchase, f"dispute {said.id} is in {said.currency}: what it leaves of the money is not known")
        was = before.status if before and before.status in Dispute.CLOSED else None
        if was:
            add_flag(purchase, f"dispute {said.id}, which had ended as {was}, is {said.status}")
        if said.status in Dispute.CLOSED:
            _end(purchase, dispute)
    return True


def _tell(purchase: Purchase, before: Dispute | None, said: gateway.StripeDispute) -> None:
    """Tell other systems of a new dispute, and finance of one that is to be answered, also if it had ended."""
    facts = {"amount": said.amount, "currency": said.currency, "reason": said.reason}
    if before is None:
        names = {"dispute": said.id, "purchase": purchase.pk, "raffle": purchase.raffle_id}
        webhooks.emit(EventType.DISPUTE_OPENED, [(said.id, names | {"buyer": purchase.buyer_id} | facts)])
    if said.status not in Dispute.CLOSED and (before is None or before.status in Dispute.CLOSED):
        facts |= {"purchase": str(purchase.pk), "due": said.due_at and said.due_at.isoformat()}
        about = f"{said.id}:{before.updated_at.timestamp():.0f}" if before else said.id
        alert_finance("dispute_opened", about=about, raffle=purchase.raffle.title, **facts)


def _end(purchase: Purchase, dispute: Dispute) -> None:
    """Request again the refunds that waited for the end, or leave it to finance if the buyer was out already."""
    held_up = Refund.objects.filter(payment=dispute.payment, status__in=[Refund.Status.WAITING, Refund.Status.FAILED])
    if refunds := list(held_up.select_for_update(no_key=True)):
        for refund in refunds:
            request_again(refund)
    else:
        money_came_back(purchase, dispute.payment, f"Dispute {dispute.pk} ended as {dispute.status}.")
