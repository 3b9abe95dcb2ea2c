"""Expiry: a hold is released only when Stripe says that its intent can no longer succeed."""

from uuid import UUID

from luxewin.audit.services import Actor
from purchases import gateway
from purchases.models import Payment, Purchase
from purchases.services.holds import let_go, release_hold
from purchases.services.settlement import apply_intent


def cancel_purchase(purchase_id: UUID, *, actor: Actor | None = None) -> Purchase:
    """Gives tickets that wait to be paid back to the sale, by their buyer's wish; returns the purchase as it is then.

    If it was paid meanwhile it is settled instead. Idempotent. Raises NotHeld, Busy, and ProviderUnavailable, after
    which a sweep ends the hold.
    """
    let_go(purchase_id, actor=actor)
    expire_purchase(purchase_id)
    return Purchase.objects.for_display().get(pk=purchase_id)


def expire_purchase(purchase_id: UUID) -> None:
    """Ends an overdue hold: cancels its intent first, and settles instead if the money came. Idempotent.

    An intent that a bank is still working on cannot be cancelled; once its raffle is over it loses its tickets all the
    same, and its money is sent back if it comes. Raises ProviderUnavailable; then the hold stays until the next try.
    """
    if not Purchase.objects.overdue().filter(pk=purchase_id).exists():
        return
    live = Payment.objects.filter(purchase=purchase_id, status__in=Payment.LIVE).exclude(intent_id=None)
    payable = live.select_related("purchase").first()
    if payable is None:
        # No client ever had an intent's secret, or its intent was cancelled: nobody can pay.
        release_hold(purchase_id)
    else:
        apply_intent(payable, gateway.cancel_intent(str(payable.intent_id)))
