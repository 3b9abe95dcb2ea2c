"""Expiry: a hold is released only once Stripe says that its payment intent can no longer succeed."""

from uuid import UUID

from luxewin.audit.services import Actor
from purchases import gateway
from purchases.models import Payment, Purchase
from purchases.services.holds import let_go, release_hold
from purchases.services.settlement import apply_intent


def cancel_purchase(purchase_id: UUID, *, actor: Actor | None = None) -> Purchase:
    """Put the tickets of an unpaid purchase back on sale, for its buyer; return the purchase as it is then.

    If it was paid meanwhile, it is settled instead. Idempotent. Raises NotHeld, Busy, and ProviderUnavailable, after
    which a sweep ends the hold.
    """
    let_go(purchase_id, actor=actor)
    expire_purchase(purchase_id)
    return Purchase.objects.for_display().get(pk=purchase_id)


def expire_purchase(purchase_id: UUID) -> None:
    """End an overdue hold: cancel its intent first, or settle it if the money has arrived. Idempotent.

    An intent that a bank is still working on cannot be cancelled. Once its raffle is over, its tickets are released
    anyway, and money that arrives is refunded. Raises ProviderUnavailable; then the hold stays until the next try.
    """
    if not Purchase.objects.overdue().filter(pk=purchase_id).exists():
        return
    live = Payment.objects.filter(purchase=purchase_id, status__in=Payment.LIVE).exclude(intent_id=None)
    payable = live.select_related("purchase").first()
    if payable is None:
        # No client ever got the intent's secret, or the intent was cancelled: nobody can pay.
        release_hold(purchase_id)
    else:
        apply_intent(payable, gateway.cancel_intent(str(payable.intent_id)))
