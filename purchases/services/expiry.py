"""Expiry: a hold is released only once Stripe says that its payment intent can no longer succeed."""

from datetime import timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from accounts.notifications import notify_all
from luxewin.audit.services import Actor
from luxewin.database import in_batches
from purchases import gateway
from purchases.models import Payment, Purchase
from purchases.services.holds import let_go, release_hold
from purchases.services.settlement import apply_intent
from raffles.models import Raffle

# How long before its end people are reminded of a hold that lasts at least twice as long.
REMINDED = timedelta(minutes=5)
# After a minute without a worker nobody is reminded: too little time would be left.
LATE = timedelta(minutes=1)


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


def remind_of_ending_holds() -> None:
    """Remind buyers REMINDED before a hold of theirs ends that is not paid, once each.

    Cost: one indexed query, and a few statements for every 1,000 holds.
    """
    ends = {"expires_at__lte": Now() + REMINDED, "expires_at__gt": Now() + REMINDED - LATE}
    ending = Purchase.objects.filter(status=Purchase.Status.PENDING, raffle__status=Raffle.Status.PUBLISHED, **ends)
    long = ending.filter(expires_at__gte=F("created_at") + 2 * REMINDED).select_related("buyer", "raffle")
    notify_all("hold_ending", ((each.buyer, each.pk, _reminder(each)) for each in in_batches(long)))


def _reminder(purchase: Purchase) -> dict[str, str]:
    raffle = purchase.raffle
    return {"raffle": raffle.title, "raffle_id": str(raffle.pk), "until": purchase.expires_at.isoformat()}
