"""The one door to Stripe: the only module that imports `stripe` and calls it.

No function here may be called inside a transaction. Customers, intents and refunds are mirrored by dj-stripe
(`mirror`), which is the record of what Stripe said; decisions are made on what these functions return, fresh.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import stripe
from django.conf import settings
from django.db import connection
from djstripe.models import Account, Customer, PaymentIntent, WebhookEndpoint
from djstripe.models import Refund as RefundMirror

from accounts.models import User
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.models import Payment, Purchase, Refund

TIMEOUT_SECONDS = 10
# What `receivers` handles; the webhook endpoint at Stripe is subscribed to exactly these.
EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What Stripe says of a PaymentIntent, right now."""

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    customer: str | None
    client_secret: str

    @property
    def is_final(self) -> bool:
        """It will never change again."""
        return self.status in {"succeeded", "canceled"}


def configure() -> None:
    """Sets time-outs, retries and the pinned version, once per process."""
    stripe.api_key = settings.STRIPE_SECRET_KEY
    stripe.api_version = settings.STRIPE_API_VERSION
    stripe.max_network_retries = 2
    stripe.default_http_client = stripe.RequestsClient(timeout=(2, TIMEOUT_SECONDS))


def release_connection() -> None:
    """Gives this thread's pooled connection back before Stripe is called, so that a slow Stripe holds none."""
    if settings.DATABASE_POOL and not connection.in_atomic_block:
        connection.close()


@contextmanager
def _calling() -> Iterator[None]:
    """Turns Stripe's errors into ours."""
    release_connection()
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        raise ProviderUnavailable(f"Try again in a moment. ({type(error).__name__})") from error
    except stripe.AuthenticationError as error:
        raise ProviderUnavailable("The payment provider does not accept our key.") from error
    except stripe.StripeError as error:
        raise ProviderRefused(error.user_message or str(error), provider_code=error.code) from error


def _intent(data: Any) -> Intent:
    customer = data.customer
    return Intent(
        id=data.id,
        status=data.status,
        amount=data.amount,
        amount_received=data.amount_received or 0,
        currency=data.currency,
        customer=customer if isinstance(customer, str) or customer is None else customer.id,
        client_secret=data.client_secret or "",
    )


def customer_of(user: User) -> str:
    """The id of the person's Stripe customer, made on their first purchase. Cost: one query, later on."""
    with _calling():
        customer, _ = Customer.get_or_create(subscriber=user)
    return customer.id


def is_customer(customer: str | None, user: User) -> bool:
    """Whether this Stripe customer is the person, by dj-stripe's record; asks nobody."""
    return Customer.objects.filter(id=customer, subscriber=user).exists()


def create_intent(payment: Payment, purchase: Purchase, customer: str) -> Intent:
    """The intent of this payment. May be repeated: the payment's idempotency key makes it once."""
    with _calling():
        return _intent(
            stripe.PaymentIntent.create(
                amount=purchase.amount,
                currency=purchase.currency,
                customer=customer,
                automatic_payment_methods={"enabled": True},
                metadata={"purchase": str(purchase.id), "raffle": str(purchase.raffle_id)},
                idempotency_key=payment.idempotency_key,
            )
        )


def retrieve_intent(intent_id: str) -> Intent:
    """The intent as Stripe has it now."""
    with _calling():
        return _intent(stripe.PaymentIntent.retrieve(intent_id))


def cancel_intent(intent_id: str) -> Intent:
    """Cancels the intent unless it is too late for that; returns what it is now. The caller looks at `status`."""
    with _calling():
        try:
            return _intent(stripe.PaymentIntent.cancel(intent_id, cancellation_reason="abandoned"))
        except stripe.InvalidRequestError:
            # It succeeded, is being processed, or was cancelled before: Stripe's word decides.
            return _intent(stripe.PaymentIntent.retrieve(intent_id))


def create_refund(refund: Refund, intent_id: str) -> tuple[str, str]:
    """Sends the money back; returns Stripe's id and status. May be repeated under the refund's idempotency key."""
    with _calling():
        made = stripe.Refund.create(
            payment_intent=intent_id,
            amount=refund.amount,
            metadata={"purchase": str(refund.purchase_id)},
            idempotency_key=refund.idempotency_key,
        )
    return made.id, made.status or "pending"


def retrieve_refund(refund_id: str) -> str:
    """The refund's status as Stripe has it now."""
    with _calling():
        return stripe.Refund.retrieve(refund_id).status or "pending"


def mirror_intent(intent_id: str) -> None:
    """Has dj-stripe record the intent (and its customer and charge) as Stripe has it now."""
    with _calling():
        PaymentIntent.sync_from_stripe_data(stripe.PaymentIntent.retrieve(intent_id))


def mirror_refund(refund_id: str) -> None:
    """Has dj-stripe record the refund as Stripe has it now."""
    with _calling():
        RefundMirror.sync_from_stripe_data(stripe.Refund.retrieve(refund_id))


def register_webhook(base_url: str) -> WebhookEndpoint:
    """Subscribes `<base_url>/api/v1/webhooks/stripe/<uuid>` at Stripe to EVENTS, once; returns dj-stripe's record.

    Endpoints of ours at other addresses are removed, so that a moved installation gets each event once.
    """
    with _calling():
        Account.get_or_retrieve_for_api_key(settings.STRIPE_SECRET_KEY)
        kept = None
        for known in WebhookEndpoint.objects.all():
            if (
                known.url.startswith(f"{base_url}/")
                and set(known.enabled_events) == set(EVENTS)
                and _still_there(known.id)
            ):
                kept = known
                continue
            _forget(known)
        return kept or _make_endpoint(base_url, uuid4())


def _still_there(endpoint_id: str) -> bool:
    try:
        return stripe.WebhookEndpoint.retrieve(endpoint_id).status == "enabled"
    except stripe.InvalidRequestError:
        return False


def _forget(endpoint: WebhookEndpoint) -> None:
    with suppress(stripe.InvalidRequestError):  # gone at Stripe already
        stripe.WebhookEndpoint.delete(endpoint.id)
    endpoint.delete()


def _make_endpoint(base_url: str, uuid: UUID) -> WebhookEndpoint:
    made = stripe.WebhookEndpoint.create(
        url=f"{base_url}/api/v1/webhooks/stripe/{uuid}",
        enabled_events=list(EVENTS),  # type: ignore[arg-type]
        api_version=settings.STRIPE_API_VERSION,  # type: ignore[arg-type]
        metadata={"djstripe_uuid": str(uuid)},
    )
    endpoint = WebhookEndpoint.sync_from_stripe_data(made)
    # Stripe tells the secret once, at creation.
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret=made.secret, djstripe_uuid=uuid)
    endpoint.refresh_from_db()
    return endpoint


def is_signed(body: bytes, signature: str, endpoint: UUID) -> bool | None:
    """Whether Stripe signed this body just now for our endpoint; None if we have no such endpoint. Cost: one query."""
    known = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint).only("secret", "djstripe_tolerance").first()
    if known is None:
        return None
    try:
        return stripe.WebhookSignature.verify_header(body, signature, known.secret, known.djstripe_tolerance)
    except (stripe.SignatureVerificationError, TypeError, UnicodeError):
        # The last two: a signature outside ASCII, a body that is not UTF-8.
        return False


def ping() -> None:
    """Raises with a reason unless Stripe answers to our key."""
    if not settings.STRIPE_SECRET_KEY:
        raise RuntimeError("STRIPE_SECRET_KEY is not set")
    stripe.Balance.retrieve()
