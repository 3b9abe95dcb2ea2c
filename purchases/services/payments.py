"""Payments: a PaymentIntent for a held purchase. Stripe is called without a transaction or database connection."""

import logging
from datetime import timedelta
from math import ceil
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey, RequestInFlight
from luxewin.api.problems import Busy
from luxewin.api.requests import current_request
from purchases import gateway
from purchases.errors import ProviderFailed, ProviderRefused, ProviderUnavailable
from purchases.models import Payment, Purchase
from purchases.services.customers import make_customer
from purchases.services.holds import hold_tickets, release_hold
from purchases.services.leases import give_back_later
from purchases.services.transitions import move_payment, record_payment

log = logging.getLogger(__name__)
# Longer than a call to Stripe with its retries. A first purchase makes two; if they take longer, see `_come_late`.
CALL_LEASE = timedelta(seconds=45)
# Longer than a request waits for a connection between claiming and calling.
CLAIM_MARGIN = timedelta(seconds=10)
# purchases/sql/store_intent.sql has it.
STORE = "SELECT store_intent(%s, %s, %s, %s, %s, %s, %s)"


def purchase_tickets(
    *,
    buyer: User,
    raffle_id: UUID,
    quantity: int,
    key: IdempotencyKey,
    answer: str | None = None,
    session: UUID | None = None,
    holder: bytes | None = None,
) -> Purchase:
    """Hold tickets and open their payment, for `purchases/create`.

    Called again with the same key, it returns the same purchase and finishes what an earlier try left unfinished. If
    the payment was cancelled at Stripe, it opens the next attempt. Raises what `hold_tickets` and `open_payment` raise.
    Cost: two statements and one call to Stripe, for a buyer whom Stripe knows.
    """
    hold = hold_tickets(
        buyer=buyer, raffle_id=raffle_id, quantity=quantity, key=key, answer=answer, session=session, holder=holder
    )
    if hold.payment:
        open_payment(hold.payment, hold.customer)
    elif hold.purchase.status == Purchase.Status.PENDING and hold.purchase.client_secret is None:
        open_payment(claim_attempt(hold.purchase))
    return hold.purchase


def open_payment(payment: Payment, customer: str | None = None) -> None:
    """Create the intent of a claimed payment, store it, and set `client_secret` on its purchase.

    Raises ProviderUnavailable if Stripe does not answer (the hold stays, the same call may be repeated),
    ProviderRefused if Stripe refuses for good (the hold is released). If the database fails meanwhile, the claim on the
    payment is released once the database is back.
    """
    # The claim was made before this call; the margin covers the time since.
    until = monotonic() + (CALL_LEASE - CLAIM_MARGIN).total_seconds()
    try:
        _open(payment, customer)
    except (DatabaseError, Busy):
        give_back_later(payment.pk, until=until)
        raise


def _open(payment: Payment, customer: str | None) -> None:
    purchase = payment.purchase
    try:
        customer = customer or make_customer(purchase.buyer)
        intent = gateway.create_intent(payment, purchase, customer)
    except ProviderFailed:
        # Stripe keeps this answer for the idempotency key: only another attempt can succeed.
        _end_attempt(payment)
        raise
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, purchase %s stays held: %s", purchase.pk, error.__cause__)  # noqa: TRY400
        Payment.objects.filter(pk=payment.pk).update(calling_since=None)
        raise
    except ProviderRefused as error:
        if error.data.get("provider_code") == gateway.MISSING:
            # The customer was deleted at Stripe; the next attempt is made with a new one.
            gateway.forget_customer(purchase.buyer)
            _end_attempt(payment)
            raise ProviderFailed("Send the same request again.") from error
        release_hold(purchase.pk)
        raise
    with connection.cursor() as cursor:
        request = current_request()
        news: list[Any] = [payment.pk, intent.id, intent.client_secret, customer]
        cursor.execute(STORE, [*news, purchase.buyer_id, request.address, request.request_id])
        (stored,) = cursor.fetchone()
    if stored:
        purchase.client_secret = intent.client_secret
    else:
        _come_late(payment, intent)


def _come_late(payment: Payment, intent: gateway.Intent) -> None:
    """Handle an intent that Stripe made after its attempt was taken over or ended."""
    purchase = payment.purchase
    noted = Payment.objects.filter(pk=payment.pk, intent_id=intent.id).first()
    if noted is None:
        # The hold ran out: this intent must never be paid.
        gateway.cancel_intent(intent.id)
    elif noted.status == Payment.Status.OPEN:
        # The call outlived its lease; the request that took it over got the same intent.
        purchase.client_secret = intent.client_secret
    purchase.refresh_from_db(fields=["status"])


def claim_attempt(purchase: Purchase) -> Payment:
    """Claim the attempt to open for a pending purchase; create a new one if the last has ended.

    One request at a time calls Stripe for a purchase; after a crash its claim ends with CALL_LEASE. Raises
    RequestInFlight.
    """
    last = purchase.payment
    if last.status in Payment.LIVE:
        free = Q(calling_since=None) | Q(calling_since__lt=Now() - CALL_LEASE)
        started = Payment.objects.filter(free, pk=last.pk, status=Payment.Status.STARTED)
        if started.update(calling_since=Now()):
            last.purchase = purchase
            return last
    else:
        try:
            with transaction.atomic():
                made = Payment.objects.create(purchase=purchase, attempt=last.attempt + 1, calling_since=Now())
                record_payment(made, before=None)
                return made
        except IntegrityError:
            pass  # another request was faster
    raise RequestInFlight(_seconds_left(purchase))


def _seconds_left(purchase: Purchase) -> int:
    """Return in how many seconds the claim on its newest payment ends at the latest; 1 if no claim is left."""
    left = ExpressionWrapper(F("calling_since") + CALL_LEASE - Now(), output_field=DurationField())
    rest = purchase.payments.order_by("-attempt").values_list(left, flat=True).first()
    return max(1, ceil(rest.total_seconds())) if rest else 1


def _end_attempt(payment: Payment) -> None:
    started = Payment.objects.filter(pk=payment.pk, status=Payment.Status.STARTED)
    with transaction.atomic():
        for locked in started.select_for_update(no_key=True):
            move_payment(locked, Payment.Status.FAILED, calling_since=None)
