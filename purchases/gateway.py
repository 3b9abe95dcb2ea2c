"""The one door to Stripe: the only module that imports `stripe` and calls it.

No function here may be called inside a transaction. Customers, intents and refunds are mirrored by dj-stripe
(`mirror`), which is the record of what Stripe said; decisions are made on what these functions return, fresh.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import stripe
from django.conf import settings
from django.db import connection, transaction
from djstripe.models import Account, Customer, Event, IdempotencyKey, PaymentIntent, WebhookEndpoint
from djstripe.models import Dispute as DisputeMirror
from djstripe.models import Refund as RefundMirror

from accounts.models import User
from purchases.errors import ProviderFailed, ProviderRefused, ProviderUnavailable
from purchases.models import Payment, Purchase, Refund
from purchases.transport import CurlClient

log = logging.getLogger(__name__)
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
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
# Stripe's code for an object that it does not know.
MISSING = "resource_missing"


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
    #: Our ids, as we wrote them into its metadata; empty on an intent that somebody else made.
    purchase: UUID | None
    payment: UUID | None

    @property
    def is_final(self) -> bool:
        """It will never change again."""
        return self.status in {"succeeded", "canceled"}


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """What Stripe says of a refund, right now."""

    id: str
    status: str
    failure: str
    intent_id: str | None
    amount: int
    currency: str
    #: Our refund and which attempt at it, as we wrote them into its metadata; empty on one that somebody else made.
    refund: UUID | None
    attempt: int | None


@dataclass(frozen=True, slots=True)
class StripeDispute:
    """What Stripe says of a dispute, right now."""

    id: str
    intent_id: str | None
    status: str
    reason: str
    amount: int
    currency: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of our webhook endpoints, as Stripe has it now."""

    url: str
    enabled: bool
    events: frozenset[str]


def configure() -> None:
    """Sets time-outs, retries and the pinned version, once per process."""
    stripe.api_key = settings.STRIPE_SECRET_KEY
    stripe.api_version = settings.STRIPE_API_VERSION
    stripe.max_network_retries = 2
    stripe.default_http_client = CurlClient(connect_seconds=2, total_seconds=TIMEOUT_SECONDS)


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
    except stripe.APIError as error:
        raise ProviderFailed(f"Try again in a moment. ({type(error).__name__})") from error
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable(f"Try again in a moment. ({type(error).__name__})") from error
    except stripe.AuthenticationError as error:
        raise ProviderUnavailable("The payment provider does not accept our key.") from error
    except stripe.StripeError as error:
        raise ProviderRefused(error.user_message or str(error), provider_code=error.code) from error


def _intent(data: Any) -> Intent:
    metadata = data.metadata or {}
    return Intent(
        id=data.id,
        status=data.status,
        amount=data.amount,
        amount_received=data.amount_received or 0,
        currency=data.currency,
        customer=_id(data.customer),
        client_secret=data.client_secret or "",
        purchase=_uuid(metadata.get("purchase")),
        payment=_uuid(metadata.get("payment")),
    )


def _id(value: Any) -> str | None:
    """The id of what may be expanded."""
    return value if value is None or isinstance(value, str) else value.id


def _uuid(text: Any) -> UUID | None:
    """Whoever can edit metadata at Stripe can write anything there."""
    try:
        return UUID(text)
    except (TypeError, ValueError, AttributeError):
        return None


def _refund(data: Any) -> StripeRefund:
    metadata = data.metadata or {}
    attempt = metadata.get("attempt", "")
    return StripeRefund(
        id=data.id,
        # A refund without a status is one of a method that does not tell: Stripe documents the field as nullable.
        status=data.status or "pending",
        failure=(getattr(data, "failure_reason", None) or "")[:200],
        intent_id=_id(data.payment_intent),
        amount=data.amount,
        currency=data.currency,
        refund=_uuid(metadata.get("refund")),
        attempt=int(attempt) if attempt.isdecimal() else None,
    )


def _dispute(data: Any) -> StripeDispute:
    return StripeDispute(
        id=data.id,
        intent_id=_id(data.payment_intent),
        status=data.status,
        reason=data.reason,
        amount=data.amount,
        currency=data.currency,
        opened_at=datetime.fromtimestamp(data.created, UTC),
    )


def customer_of(user: User) -> str:
    """The id of the person's Stripe customer, made on their first purchase. Cost: one query, later on."""
    with _calling():
        customer, _ = Customer.get_or_create(subscriber=user)
    return customer.id


def forget_customer(user: User) -> None:
    """The person's customer was deleted at Stripe; the next purchase makes another. Asks nobody."""
    Customer.objects.filter(subscriber=user).update(subscriber=None)
    # Under the same key Stripe would answer with the deleted one.
    IdempotencyKey.objects.filter(action=f"customer:create:{user.pk}").delete()


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
                metadata={
                    "purchase": str(purchase.id),
                    "payment": str(payment.id),
                    "raffle": str(purchase.raffle_id),
                },
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


def create_refund(refund: Refund, intent_id: str) -> StripeRefund:
    """Sends the money back. May be repeated under the refund's idempotency key."""
    with _calling():
        return _refund(
            stripe.Refund.create(
                payment_intent=intent_id,
                amount=refund.amount,
                metadata={"refund": str(refund.id), "attempt": str(refund.attempt)},
                idempotency_key=refund.idempotency_key,
            )
        )


def retrieve_refund(refund_id: str) -> StripeRefund:
    """The refund as Stripe has it now."""
    with _calling():
        return _refund(stripe.Refund.retrieve(refund_id))


def retrieve_dispute(dispute_id: str) -> StripeDispute:
    """The dispute as Stripe has it now."""
    with _calling():
        return _dispute(stripe.Dispute.retrieve(dispute_id))


def intents_between(start: datetime, end: datetime) -> Iterator[list[Intent]]:
    """The intents made from `start` on and before `end`, in whole seconds: pages of a hundred, newest first."""
    return _pages(stripe.PaymentIntent, _intent, start, end)


def refunds_between(start: datetime, end: datetime) -> Iterator[list[StripeRefund]]:
    """The refunds made then, likewise."""
    return _pages(stripe.Refund, _refund, start, end)


def disputes_between(start: datetime, end: datetime) -> Iterator[list[StripeDispute]]:
    """The disputes opened then, likewise."""
    return _pages(stripe.Dispute, _dispute, start, end)


def events_between(start: datetime, end: datetime) -> Iterator[list[dict[str, Any]]]:
    """The events of EVENTS then, likewise, as dj-stripe takes them. Stripe keeps them for thirty days."""
    return _pages(stripe.Event, lambda event: json.loads(str(event)), start, end, types=list(EVENTS))


def _pages[T](kind: Any, read: Callable[[Any], T], start: datetime, end: datetime, **chosen: Any) -> Iterator[list[T]]:
    created = {"gte": int(start.timestamp()), "lt": int(end.timestamp())}
    while True:
        with _calling():
            page = kind.list(limit=100, created=created, **chosen)
        yield [read(each) for each in page.data]
        if not page.has_more:
            return
        chosen["starting_after"] = page.data[-1].id


def store_event(data: dict[str, Any]) -> None:
    """Takes an event in as if it had come by webhook: receivers run in the transaction that stores it, once.

    Asks nobody once `know_account` was called.
    """
    with transaction.atomic():
        lock_event(data["id"])
        Event.process(data)


def lock_event(event_id: str) -> None:
    """Keeps this event to the caller's transaction. Cost: one statement.

    dj-stripe runs the receivers once more if another transaction stores the same event between two of its looks.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [event_id])


def know_account() -> None:
    """Has dj-stripe know whose account our key opens, which it would otherwise ask inside a transaction."""
    with _calling():
        Account.get_or_retrieve_for_api_key(settings.STRIPE_SECRET_KEY)


def mirror_intent(intent_id: str) -> None:
    """Has dj-stripe record the intent (and its customer and charge) as Stripe has it now."""
    with _calling():
        PaymentIntent.sync_from_stripe_data(stripe.PaymentIntent.retrieve(intent_id))


def mirror_refund(refund_id: str) -> None:
    """Has dj-stripe record the refund as Stripe has it now.

    Stripe documents refunds without a charge, for which dj-stripe's table has no room: of those only our own row tells.
    """
    with _calling():
        refund = stripe.Refund.retrieve(refund_id)
        if refund.charge is None:
            log.warning("refund %s has no charge, dj-stripe cannot record it", refund_id)
        else:
            RefundMirror.sync_from_stripe_data(refund)


def mirror_dispute(dispute_id: str) -> None:
    """Has dj-stripe record the dispute as Stripe has it now."""
    with _calling():
        DisputeMirror.sync_from_stripe_data(stripe.Dispute.retrieve(dispute_id))


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


def endpoints() -> list[Endpoint]:
    """Those of our webhook endpoints that Stripe still has."""
    found = []
    for known in WebhookEndpoint.objects.all():
        with _calling(), suppress(stripe.InvalidRequestError):
            data = stripe.WebhookEndpoint.retrieve(known.id)
            found.append(Endpoint(data.url, data.status == "enabled", frozenset(data.enabled_events)))
    return found


def recorded_endpoints() -> list[Endpoint]:
    """The same by dj-stripe's record; asks nobody."""
    return [
        Endpoint(known.url, known.status == "enabled", frozenset(known.enabled_events))
        for known in WebhookEndpoint.objects.all()
    ]


def _still_there(endpoint_id: str) -> bool:
    try:
        found = stripe.WebhookEndpoint.retrieve(endpoint_id)
        return found.status == "enabled" and set(found.enabled_events) == set(EVENTS)
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
