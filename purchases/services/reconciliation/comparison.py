"""The comparison with Stripe: payment intents, refunds and disputes, in both directions, a page at a time."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from djstripe import models as records

from purchases import gateway
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.models import Dispute, Payment, Refund, StaleMirror
from purchases.services.disputes import note_dispute
from purchases.services.flags import flag_purchase
from purchases.services.payments import CALL_LEASE
from purchases.services.reconciliation.differences import Difference
from purchases.services.refunds import STATUSES, execute_refund, note_refund, refunded_by_hand
from purchases.services.settlement import apply_intent, mismatches, settle_intent
from purchases.services.stripe_sync import About, mirror_now

log = logging.getLogger(__name__)
BATCH = 200
# Stripe has several statuses for an intent that still waits for its buyer; all mean OPEN.
STATES = {
    "succeeded": Payment.Status.SUCCEEDED,
    "canceled": Payment.Status.CANCELED,
    "processing": Payment.Status.PROCESSING,
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of object is found on both sides."""

    listed: Callable[[datetime, datetime], Iterator[list[Any]]]
    retrieved: Callable[[str], Any]
    #: Our rows that have a Stripe id, the field with it, and the field that says when the object was made.
    ours: Callable[[], QuerySet[Any]]
    key: str
    moment: str
    unfinished: Q
    #: dj-stripe's record of it, and whether a record with this status ("" if there is none) agrees with Stripe.
    about: About
    record: type[Model]
    says: Callable[[str, Any], bool]


type _Compare = Callable[[Any, Any], Iterator[Difference]]


class Comparison:
    """One comparison; `compared` counts the objects. With `repair`, differences are repaired where that is safe.

    An object that seems to differ is read again on both sides: a payment may have been settled meanwhile.
    """

    def __init__(self, *, repair: bool) -> None:
        self.repair = repair
        self.compared = 0
        self._kinds: tuple[tuple[_Kind, _Compare], ...] = (
            (INTENTS, self._intent),
            (REFUNDS, self._refund),
            (DISPUTES, self._dispute),
        )

    def between(self, start: datetime, end: datetime) -> Iterator[Difference]:
        """Yield differences of objects made from `start` on and before `end`. Memory grows with the ids in between.

        Raises ProviderUnavailable.
        """
        for kind, compare in self._kinds:
            seen: set[str] = set()
            for page in kind.listed(start, end):
                ids = [theirs.id for theirs in page]
                known = {getattr(row, kind.key): row for row in kind.ours().filter(**{f"{kind.key}__in": ids})}
                for theirs in page:
                    yield from _spared(theirs.id, compare(known.get(theirs.id), theirs))
                mine = [theirs for theirs in page if theirs.id in known]
                yield from self._records(kind, mine)
                seen.update(ids)
                self.compared += len(page)
            rows = kind.ours().filter(**{f"{kind.moment}__gte": start, f"{kind.moment}__lt": end})
            yield from self._not_listed(kind, compare, rows, seen)

    def unfinished(self, before: datetime) -> Iterator[Difference]:
        """Yield differences of objects made before this time, however long ago, and unfinished in our books."""
        for kind, compare in self._kinds:
            rows = kind.ours().filter(kind.unfinished, **{f"{kind.moment}__lt": before})
            yield from self._not_listed(kind, compare, rows, set())

    def _records(self, kind: _Kind, page: list[Any]) -> Iterator[Difference]:
        """Yield dj-stripe's records of these objects that are missing or have another status. Cost: one query."""
        found = kind.record._default_manager.filter(id__in=[theirs.id for theirs in page])  # noqa: SLF001 Django's name
        statuses = dict(found.values_list("id", "stripe_data__status"))
        for theirs in page:
            status = statuses.get(theirs.id, "")
            if not kind.says(status, theirs):
                yield from _spared(theirs.id, self._record(kind, theirs, status))

    def _record(self, kind: _Kind, theirs: Any, status: str) -> Iterator[Difference]:
        stripe_id = theirs.id
        if StaleMirror.objects.filter(pk=stripe_id, tries=0).exists():
            return  # it has just changed, and a worker is about to record it
        text = f"dj-stripe's record of {stripe_id} ({theirs.status}) " + (f"says {status}" if status else "is missing")
        if not self.repair:
            yield Difference(text)
            return
        mirror_now(kind.about, stripe_id)
        gone = not StaleMirror.objects.filter(pk=stripe_id).exists()
        yield Difference(text, "recorded" if gone else "a worker is at it", gone)

    def _not_listed(self, kind: _Kind, compare: _Compare, rows: QuerySet[Any], seen: set[str]) -> Iterator[Difference]:
        """Compare rows that Stripe did not list, with one request each."""
        for row in _batches(rows):
            stripe_id = getattr(row, kind.key)
            if stripe_id in seen:
                continue
            self.compared += 1
            yield from _spared(stripe_id, self._by_itself(kind, compare, row))

    @staticmethod
    def _by_itself(kind: _Kind, compare: _Compare, row: Any) -> Iterator[Difference]:
        stripe_id = getattr(row, kind.key)
        try:
            theirs = kind.retrieved(stripe_id)
        except ProviderRefused as error:
            if error.data.get("provider_code") != gateway.MISSING:
                raise
            yield Difference(f"{_name(row)}: Stripe does not know {stripe_id}")
        else:
            yield from compare(row, theirs)

    def _intent(self, payment: Payment | None, intent: gateway.Intent) -> Iterator[Difference]:
        if payment is None:
            if intent.payment:
                yield from self._orphan(intent, intent.payment)
        elif payment.status != STATES.get(intent.status, Payment.Status.OPEN):
            yield from self._settled(payment)
        elif payment.status == Payment.Status.SUCCEEDED and not self._is_finances(payment):
            for fault in mismatches(payment.purchase, payment, intent):
                yield self._flagged(payment, fault)

    def _settled(self, payment: Payment) -> Iterator[Difference]:
        payment.refresh_from_db(fields=["status"])
        intent = gateway.retrieve_intent(str(payment.intent_id))
        theirs = STATES.get(intent.status, Payment.Status.OPEN)
        if Payment.objects.filter(pk=payment.pk, status=theirs).exists():
            return
        text = f"{_name(payment)}: ours is {payment.status}, Stripe's {intent.id} is {intent.status}"
        if not self.repair:
            yield Difference(text)
            return
        apply_intent(payment, intent)
        payment.refresh_from_db(fields=["status"])
        yield Difference(text, f"settled, it is {payment.status} now", payment.status == theirs)

    def _orphan(self, intent: gateway.Intent, payment_id: UUID) -> Iterator[Difference]:
        """Compare an intent made for a payment of ours that does not have its id."""
        text = f"intent {intent.id} ({intent.status}, {intent.amount} {intent.currency})"
        payment = Payment.objects.filter(pk=payment_id, purchase=intent.purchase).first()
        if payment is None:
            # From another installation on the same account, or from before data was lost: not ours to end.
            yield Difference(f"{text}: its payment {payment_id} is not in our books")
        elif intent.status == "canceled" or _is_being_made(payment):
            return
        elif not self.repair:
            yield Difference(f"{text}: its {_name(payment)} has not got it")
        else:
            settle_intent(intent.id)
            known = Payment.objects.filter(intent_id=intent.id).exists()
            gone = known or gateway.retrieve_intent(intent.id).status == "canceled"
            done = "taken in" if known else "cancelled" if gone else "nothing could be done"
            yield Difference(f"{text}: its {_name(payment)} had not got it", done, gone)

    @staticmethod
    def _is_finances(payment: Payment) -> bool:
        """Whether it is known not to match, or was refunded."""
        return payment.purchase.review_evidence is not None or hasattr(payment, "refund")

    def _flagged(self, payment: Payment, fault: str) -> Difference:
        text = f"{_name(payment)}: {fault}"
        if self.repair:
            flag_purchase(payment.purchase_id, fault)
        return Difference(text, "flagged for finance" if self.repair else "")

    def _refund(self, refund: Refund | None, said: gateway.StripeRefund) -> Iterator[Difference]:
        if refund is None:
            yield from self._unknown_refund(said)
        elif refund.status == Refund.Status.CLOSED and STATUSES[said.status] == Refund.Status.FAILED:
            return
        elif refund.status != STATUSES[said.status]:
            refund.refresh_from_db(fields=["status"])
            said = gateway.retrieve_refund(said.id)
            if refund.status == STATUSES[said.status]:
                return
            text = f"{_name(refund)}: ours is {refund.status}, Stripe's {said.id} is {said.status}"
            if not self.repair:
                yield Difference(text)
                return
            execute_refund(refund.pk)
            refund.refresh_from_db(fields=["status"])
            gone = refund.status == STATUSES[said.status]
            yield Difference(text, f"it is {refund.status} now", gone)
        elif refund.amount != said.amount:
            yield Difference(f"{_name(refund)}: ours is of {refund.amount}, Stripe's {said.id} of {said.amount}")

    def _unknown_refund(self, said: gateway.StripeRefund) -> Iterator[Difference]:
        payment = Payment.objects.filter(intent_id=said.intent_id).select_related("purchase").first()
        if payment is None:
            return
        if STATUSES[said.status] == Refund.Status.FAILED:
            yield from self._failed_by_hand(payment, said)
            return
        # Both are over: money refunded by hand is accounted for.
        if payment.purchase.status in {"void", "refunded"}:
            return
        facts = f"{said.amount} {said.currency}, {said.status}"
        text = f"refund {said.id} ({facts}) of {_name(payment)}: not in our books"
        if not self.repair:
            yield Difference(text)
            return
        note_refund(said.id)
        if Refund.objects.filter(stripe_id=said.id).exists():
            yield Difference(text, "taken in", repaired=True)
        elif said.refund is None:
            yield Difference(text, "it was made by hand; flagged for finance")
        else:
            yield Difference(text, "it is of an attempt that another has replaced")

    def _failed_by_hand(self, payment: Payment, said: gateway.StripeRefund) -> Iterator[Difference]:
        """Yield a difference if our books count on money that did not go back after all."""
        if not refunded_by_hand(payment.purchase, said.id):
            return
        text = f"refund {said.id} of {_name(payment)}, made by hand, failed: our books have it as gone"
        if self.repair:
            note_refund(said.id)
        yield Difference(text, "flagged for finance" if self.repair else "", self.repair)

    def _dispute(self, dispute: Dispute | None, said: gateway.StripeDispute) -> Iterator[Difference]:
        ours = (dispute.status, dispute.amount) if dispute else None
        if ours == (said.status, said.amount):
            return
        payment = Payment.objects.filter(intent_id=said.intent_id).first() if said.intent_id else None
        if payment is None:
            return
        text = f"dispute {said.id} of {_name(payment)}: ours is {ours}, Stripe's is {(said.status, said.amount)}"
        if self.repair:
            note_dispute(said.id)
        yield Difference(text, "noted" if self.repair else "", self.repair)


def _spared(stripe_id: str, differences: Iterator[Difference]) -> Iterator[Difference]:
    """Yield the differences of one object, and a failure as one more, so that the other objects are still compared."""
    try:
        yield from differences
    except (ProviderUnavailable, OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("%s cannot be compared", stripe_id)
        yield Difference(f"{stripe_id}: cannot be compared: {error!r}"[:300])


def _name(row: Payment | Refund | Dispute) -> str:
    payment = row if isinstance(row, Payment) else row.payment
    mine = f"{row._meta.model_name} {row.pk} of " if row is not payment else f"payment {payment.pk} of "  # noqa: SLF001
    return f"{mine}purchase {payment.purchase_id}"


def _is_being_made(payment: Payment) -> bool:
    """Whether a request is waiting for Stripe to make the intent right now."""
    return Payment.objects.filter(
        pk=payment.pk, status=Payment.Status.STARTED, calling_since__gte=Now() - CALL_LEASE
    ).exists()


def _batches(rows: QuerySet[Any]) -> Iterator[Any]:
    """Yield all rows in order, read in batches so that no cursor stays open."""
    last: Model | None = None
    while True:
        batch = list((rows.filter(pk__gt=last.pk) if last else rows).order_by("pk")[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


INTENTS = _Kind(
    gateway.intents_between,
    gateway.retrieve_intent,
    lambda: Payment.objects.exclude(intent_id=None).select_related("purchase__buyer", "refund"),
    "intent_id",
    "created_at",
    Q(status__in=Payment.LIVE),
    About.INTENT,
    records.PaymentIntent,
    # An intent that waits for its buyer need not be recorded, nor what it waits for.
    lambda status, intent: STATES.get(status) == STATES.get(intent.status),
)
REFUNDS = _Kind(
    gateway.refunds_between,
    gateway.retrieve_refund,
    lambda: Refund.objects.exclude(stripe_id=None).select_related("payment"),
    "stripe_id",
    "created_at",
    Q(status__in=Refund.OPEN),
    About.REFUND,
    records.Refund,
    # dj-stripe has no record of a refund without a charge; the status may be null at Stripe.
    lambda status, said: not said.has_charge or ("pending" if status is None else status) == said.status,
)
DISPUTES = _Kind(
    gateway.disputes_between,
    gateway.retrieve_dispute,
    lambda: Dispute.objects.select_related("payment"),
    "stripe_id",
    "opened_at",
    ~Q(status__in=Dispute.CLOSED),
    About.DISPUTE,
    records.Dispute,
    lambda status, said: status == said.status,
)
