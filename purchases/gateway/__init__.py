"""The one door to Stripe: only this package imports `stripe` and calls it. Here: customers, money, and lists of it.

No function here may be called inside a transaction. Customers, intents, refunds and disputes are mirrored by dj-stripe
(`mirrors`), which is the record of what Stripe said; decisions are made on what these functions return, fresh.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from djstripe.models import Customer

from accounts.models import User
from purchases.gateway.client import MISSING, TIMEOUT_SECONDS, calling, configure, ping
from purchases.gateway.customer_erasure import erase_customer, forget_customer, update_customer
from purchases.gateway.endpoints import (
    Endpoint,
    endpoints,
    is_our_endpoint,
    is_signed,
    recorded_endpoints,
    register_webhook,
)
from purchases.gateway.events import EVENTS, know_account, lock_event, store_event
from purchases.gateway.records import mirror_dispute, mirror_intent, mirror_refund
from purchases.gateway.redaction import forget_cards, keep_payers_out, without_payers
from purchases.models import Dispute, Payment, Purchase, Refund

__all__ = [
    "EVENTS",
    "MISSING",
    "TIMEOUT_SECONDS",
    "Endpoint",
    "Intent",
    "Rest",
    "StripeDispute",
    "StripeRefund",
    "cancel_intent",
    "configure",
    "create_intent",
    "create_refund",
    "customer_of",
    "disputes_between",
    "endpoints",
    "erase_customer",
    "events_between",
    "find_refund",
    "forget_cards",
    "forget_customer",
    "intents_between",
    "is_customer",
    "is_our_endpoint",
    "is_signed",
    "keep_payers_out",
    "know_account",
    "lock_event",
    "mirror_dispute",
    "mirror_intent",
    "mirror_refund",
    "ping",
    "recorded_endpoints",
    "refundable",
    "refunds_between",
    "register_webhook",
    "retrieve_dispute",
    "retrieve_intent",
    "retrieve_refund",
    "store_event",
    "update_customer",
    "without_payers",
]


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
    #: Stripe documents refunds without one.
    has_charge: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """What Stripe could send back of a payment, right now."""

    #: Of what came, neither refunded nor taken by a lost dispute.
    left: int
    #: Nothing can go back before a dispute has ended.
    is_disputed: bool


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
        has_charge=getattr(data, "charge", None) is not None,
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
    with calling():
        customer, _ = Customer.get_or_create(subscriber=user)
    return customer.id


def is_customer(customer: str | None, user: User) -> bool:
    """Whether this Stripe customer is the person, by dj-stripe's record; asks nobody."""
    return Customer.objects.filter(id=customer, subscriber=user).exists()


def create_intent(payment: Payment, purchase: Purchase, customer: str) -> Intent:
    """The intent of this payment. May be repeated: the payment's idempotency key makes it once."""
    with calling():
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
    with calling():
        intent = _intent(stripe.PaymentIntent.retrieve(intent_id))
        if intent.id != intent_id:
            raise ValueError(f"asked for {intent_id}, answered {intent.id}")
    return intent


def cancel_intent(intent_id: str) -> Intent:
    """Cancels the intent unless it is too late for that; returns what it is now. The caller looks at `status`."""
    with calling():
        try:
            return _intent(stripe.PaymentIntent.cancel(intent_id, cancellation_reason="abandoned"))
        except stripe.InvalidRequestError:
            # It succeeded, is being processed, or was cancelled before: Stripe's word decides.
            return _intent(stripe.PaymentIntent.retrieve(intent_id))


def create_refund(refund: Refund, intent_id: str) -> StripeRefund:
    """Sends the money back. May be repeated under the refund's idempotency key."""
    with calling():
        return _refund(
            stripe.Refund.create(
                payment_intent=intent_id,
                amount=refund.amount,
                metadata={"refund": str(refund.id), "attempt": str(refund.attempt)},
                idempotency_key=refund.idempotency_key,
            )
        )


def find_refund(refund: Refund, intent_id: str) -> StripeRefund | None:
    """What Stripe has made for this attempt at our refund, whether or not it told us. Cost: one request."""
    with calling():
        for each in stripe.Refund.list(payment_intent=intent_id, limit=100).auto_paging_iter():
            said = _refund(each)
            if (said.refund, said.attempt) == (refund.pk, refund.attempt):
                return said
    return None


def refundable(intent_id: str) -> Rest:
    """What is left of an intent's money. Cost: two requests."""
    with calling():
        charge: Any = stripe.PaymentIntent.retrieve(intent_id, expand=["latest_charge"]).latest_charge
        disputes = stripe.Dispute.list(payment_intent=intent_id, limit=100).data
        lost = sum(each.amount for each in disputes if each.status == "lost")
        return Rest(
            left=charge.amount_captured - charge.amount_refunded - lost if charge else 0,
            is_disputed=any(each.status in Dispute.BLOCKING for each in disputes),
        )


def retrieve_refund(refund_id: str) -> StripeRefund:
    """The refund as Stripe has it now."""
    with calling():
        return _refund(stripe.Refund.retrieve(refund_id))


def retrieve_dispute(dispute_id: str) -> StripeDispute:
    """The dispute as Stripe has it now."""
    with calling():
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
    """The events of EVENTS then, likewise, as dj-stripe takes them, without payers' names. Stripe keeps thirty days."""
    return _pages(stripe.Event, lambda event: without_payers(json.loads(str(event))), start, end, types=list(EVENTS))


def _pages[T](kind: Any, read: Callable[[Any], T], start: datetime, end: datetime, **chosen: Any) -> Iterator[list[T]]:
    created = {"gte": int(start.timestamp()), "lt": int(end.timestamp())}
    while True:
        with calling():
            page = kind.list(limit=100, created=created, **chosen)
        yield [read(each) for each in page.data]
        if not page.has_more:
            return
        chosen["starting_after"] = page.data[-1].id
