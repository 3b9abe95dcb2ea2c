"""Paying: a PaymentIntent for a held purchase. While Stripe is called no transaction is open and no connection held."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey, RequestInFlight
from purchases import gateway
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.gateway import Intent
from purchases.models import Payment, Purchase
from purchases.services.holds import hold_tickets, release_hold

log = logging.getLogger(__name__)
# Longer than a call to Stripe with its retries can last.
CALL_LEASE = timedelta(seconds=45)


def purchase_tickets(*, buyer: User, raffle_id: UUID, quantity: int, key: IdempotencyKey) -> Purchase:
    """Holds tickets and opens their payment; what `purchases/create` does.

    Sent again with the same key it returns the same purchase and finishes what an earlier try left unfinished.
    Raises what `hold_tickets` and `open_payment` raise.
    """
    purchase = hold_tickets(buyer=buyer, raffle_id=raffle_id, quantity=quantity, key=key)
    if purchase.status == Purchase.Status.PENDING and purchase.payment.status == Payment.Status.STARTED:
        open_payment(purchase)
    return purchase


def open_payment(purchase: Purchase) -> None:
    """Makes the purchase's intent at Stripe and stores it.

    Raises RequestInFlight while another request is at it, ProviderUnavailable if Stripe does not answer (the hold
    stays, the same call may be repeated), ProviderRefused if Stripe refuses for good (the hold is released).
    """
    payment = purchase.payment
    _claim_call(payment)
    try:
        intent = gateway.create_intent(payment, purchase, gateway.customer_of(purchase.buyer))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, purchase %s stays held: %s", purchase.pk, error.__cause__)  # noqa: TRY400
        Payment.objects.filter(pk=payment.pk).update(calling_since=None)
        raise
    except ProviderRefused:
        release_hold(purchase.pk)
        raise
    if not _store_intent(purchase, intent):
        # The hold ran out while Stripe was slow: this intent must never be paid.
        gateway.cancel_intent(intent.id)


def _store_intent(purchase: Purchase, intent: Intent) -> bool:
    """Notes the intent; False if the hold is over. Under the purchase's lock, as the expiry that may be at it too."""
    payment = purchase.payment
    with transaction.atomic():
        purchase.status = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk).status
        payment.intent_id, payment.client_secret, payment.status = intent.id, intent.client_secret, Payment.Status.OPEN
        payment.calling_since = None
        payment.save(update_fields=["intent_id", "client_secret", "status", "calling_since", "updated_at"])
    return purchase.status == Purchase.Status.PENDING


def _claim_call(payment: Payment) -> None:
    """One request at a time calls Stripe for a payment; a claim outlives a crash by CALL_LEASE."""
    free = Q(calling_since=None) | Q(calling_since__lt=Now() - CALL_LEASE)
    if not Payment.objects.filter(free, pk=payment.pk, intent_id=None).update(calling_since=Now()):
        raise RequestInFlight("The first request under this key is still being worked on. Repeat it in a second.")
