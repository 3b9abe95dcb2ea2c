"""The calls to Stripe about customers, money and lists of it, with their answers in our own types.

No function here may be called inside a transaction. Decisions are made on what these functions return, fresh.
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
from purchases.gateway.client import calling
from purchases.gateway.events import EVENTS, storable_json
from purchases.gateway.redaction import without_payers
from purchases.models import Dispute, Payment, Purchase, Refund


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
    #: Our ids, as we wrote them into its metadata; None on an intent that we did not make.
    purchase: UUID | None
    payment: UUID | None

    @property
    def is_final(self) -> bool:
        """Whether it will never change again."""
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
    #: Our refund and its attempt, as we wrote them into its metadata; None on a refund that we did not make.
    refund: UUID | None
    attempt: int | None
    #: Stripe documents refunds without a charge.
    has_charge: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """What Stripe could refund of a payment, right now."""

    #: The amount neither refunded nor taken by a lost dispute.
    left: int
    #: Nothing can be refunded until the dispute has ended.
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
    #: Until when evidence counts; None if none is wanted.
    due_at: datetime | None


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
    """Return the id of an object that may be expanded."""
    return value if value is None or isinstance(value, str) else value.id


def _uuid(text: Any) -> UUID | None:
    """Parse a UUID from metadata, where people at Stripe's dashboard can write anything; None if it is none."""
    try:
        return UUID(text)
    except (TypeError, ValueError, AttributeError):
        return None


def _refund(data: Any) -> StripeRefund:
    metadata = data.metadata or {}
    attempt = metadata.get("attempt", "")
    return StripeRefund(
        id=data.id,
        # Some payment methods report no refund status: Stripe documents the field as nullable.
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
    due = getattr(getattr(data, "evidence_details", None), "due_by", None)
    return StripeDispute(
        id=data.id,
        intent_id=_id(data.payment_intent),
        status=data.status,
        reason=data.reason,
        amount=data.amount,
        currency=data.currency,
        opened_at=datetime.fromtimestamp(data.created, UTC),
        due_at=datetime.fromtimestamp(due, UTC) if due else None,
    )


def customer_of(user: User) -> str:
    """Return the id of the person's Stripe customer, created on their first purchase. Cost: one query after that."""
    with calling():
        customer, _ = Customer.get_or_create(subscriber=user)
    return customer.id


def is_customer(customer: str | None, user: User) -> bool:
    """Whether this Stripe customer is the person, by dj-stripe's record; makes no request."""
    return Customer.objects.filter(id=customer, subscriber=user).exists()


def create_intent(payment: Payment, purchase: Purchase, customer: str) -> Intent:
    """Create the intent of this payment. May be repeated: the payment's idempotency key makes it once."""
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
    """Fetch the intent as Stripe has it now."""
    with calling():
        intent = _intent(stripe.PaymentIntent.retrieve(intent_id))
        if intent.id != intent_id:
            raise ValueError(f"asked for {intent_id}, answered {intent.id}")
    return intent


def cancel_intent(intent_id: str) -> Intent:
    """Cancel the intent unless it is too late; return it as it is now. The caller checks `status`."""
    with calling():
        try:
            return _intent(stripe.PaymentIntent.cancel(intent_id, cancellation_reason="abandoned"))
        except stripe.InvalidRequestError:
            # It succeeded, is being processed, or was cancelled before: Stripe's status decides.
            return _intent(stripe.PaymentIntent.retrieve(intent_id))


def create_refund(refund: Refund, intent_id: str) -> StripeRefund:
    """Refund the money. May be repeated under the refund's idempotency key."""
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
    """Find Stripe's refund for this attempt at ours, whether or not its answer reached us. Cost: one request."""
    with calling():
        for each in stripe.Refund.list(payment_intent=intent_id, limit=100).auto_paging_iter():
            said = _refund(each)
            if (said.refund, said.attempt) == (refund.pk, refund.attempt):
                return said
    return None


def refundable(intent_id: str) -> Rest:
    """Ask what is left of an intent's money. Cost: two requests.

    A lost dispute in another currency counts as all of it: how much it left cannot be known, and is never paid twice.
    """
    with calling():
        charge: Any = stripe.PaymentIntent.retrieve(intent_id, expand=["latest_charge"]).latest_charge
        disputes = stripe.Dispute.list(payment_intent=intent_id, limit=100).data
        lost = [each for each in disputes if each.status == "lost"]
        return Rest(
            left=_left(charge, lost) if charge else 0,
            is_disputed=any(each.status in Dispute.BLOCKING for each in disputes),
        )


def _left(charge: Any, lost: list[Any]) -> int:
    of_disputes = sum(each.amount if each.currency == charge.currency else charge.amount_captured for each in lost)
    left: int = charge.amount_captured - charge.amount_refunded - of_disputes
    return left


def retrieve_refund(refund_id: str) -> StripeRefund:
    """Fetch the refund as Stripe has it now."""
    with calling():
        return _refund(stripe.Refund.retrieve(refund_id))


def retrieve_dispute(dispute_id: str) -> StripeDispute:
    """Fetch the dispute as Stripe has it now."""
    with calling():
        return _dispute(stripe.Dispute.retrieve(dispute_id))


def intents_between(start: datetime, end: datetime) -> Iterator[list[Intent]]:
    """Yield intents created from `start` on and before `end`, in whole seconds: pages of a hundred, newest first."""
    return _pages(stripe.PaymentIntent, _intent, start, end)


def refunds_between(start: datetime, end: datetime) -> Iterator[list[StripeRefund]]:
    """Yield refunds created in that time, as `intents_between` does."""
    return _pages(stripe.Refund, _refund, start, end)


def disputes_between(start: datetime, end: datetime) -> Iterator[list[StripeDispute]]:
    """Yield disputes opened in that time, as `intents_between` does."""
    return _pages(stripe.Dispute, _dispute, start, end)


def events_between(start: datetime, end: datetime) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of EVENTS of that time as dj-stripe takes them, without payers' names. Stripe keeps thirty days."""
    return _pages(stripe.Event, _event, start, end, types=list(EVENTS))


def _event(data: Any) -> dict[str, Any]:
    said: dict[str, Any] = without_payers(storable_json(json.loads(str(data))))
    return said


def _pages[T](kind: Any, read: Callable[[Any], T], start: datetime, end: datetime, **chosen: Any) -> Iterator[list[T]]:
    created = {"gte": int(start.timestamp()), "lt": int(end.timestamp())}
    while True:
        with calling():
            page = kind.list(limit=100, created=created, **chosen)
        yield [read(each) for each in page.data]
        if not page.has_more:
            return
        chosen["starting_after"] = page.data[-1].id
