"""Expiry: a hold is released only when Stripe says that its intent can no longer succeed."""

from uuid import UUID

from purchases import gateway
from purchases.models import Payment, Purchase
from purchases.services.holds import release_hold
from purchases.services.settlement import apply_intent


def expire_purchase(purchase_id: UUID) -> None:
    """Ends an overdue hold: cancels its intent first, and settles instead if the money came. Idempotent.

    Raises ProviderUnavailable; then the hold stays until the next try.
    """
    payment = Payment.objects.filter(purchase=purchase_id).first()
    if not Purchase.objects.overdue().filter(pk=purchase_id).exists():
        return
    if payment is None or payment.intent_id is None:
        # No client ever had this intent's secret, so nobody can pay it.
        release_hold(purchase_id)
        return
    apply_intent(purchase_id, gateway.cancel_intent(payment.intent_id))
