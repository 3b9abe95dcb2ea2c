"""Expiry: a hold is released only when Stripe says that its intent can no longer succeed."""

from uuid import UUID

from django.db import transaction

from luxewin.audit.services import record
from purchases import gateway
from purchases.models import Payment, Purchase
from purchases.services.counters import count_release, lock_tally, lower_tally


def expire_purchase(purchase_id: UUID) -> None:
    """Ends an overdue hold: cancels its intent first, and settles instead if the money came. Idempotent.

    Raises ProviderUnavailable; then the hold stays until the next try.
    """
    from purchases.services.settlement import apply_intent

    payment = Payment.objects.filter(purchase=purchase_id).first()
    if not Purchase.objects.overdue().filter(pk=purchase_id).exists():
        return
    if payment is None or payment.intent_id is None:
        # No client ever had this intent's secret, so nobody can pay it.
        release_hold(purchase_id)
        return
    apply_intent(purchase_id, gateway.cancel_intent(payment.intent_id))


def release_hold(purchase_id: UUID) -> bool:
    """Gives the tickets of a pending purchase without an intent back to the sale; False if it is no such any more."""
    with transaction.atomic():
        lock_tally(Purchase.objects.get(pk=purchase_id))
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        has_intent = Payment.objects.filter(purchase=purchase).exclude(intent_id=None).exists()
        if purchase.status != Purchase.Status.PENDING or has_intent:
            return False
        end_hold(purchase, Purchase.Status.EXPIRED)
    return True


def end_hold(purchase: Purchase, status: Purchase.Status) -> None:
    """Takes a locked pending purchase to `status` and its tickets back; in the caller's transaction, tally locked."""
    before, purchase.status, purchase.claimed_until = purchase.status, status, None
    purchase.save(update_fields=["status", "claimed_until", "review_evidence"])
    lower_tally(purchase)
    record(f"purchase.{status}", purchase, before={"status": before}, after={"status": status})
    count_release(purchase.raffle_id, purchase.quantity)
