"""Settlement: one idempotent function for webhook, buyer and sweep."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.eligibility import Eligibility, eligibilities_of, eligibility_of, lock_eligibility
from accounts.notifications import notify
from luxewin.audit.services import record, record_all
from luxewin.tasks.queue import enqueue
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from purchases import gateway, reasons, receipts
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.gateway import Intent
from purchases.models import Payment, Purchase
from purchases.services.bank_debits import is_on_sale, is_refused_too_often, may_wait
from purchases.services.counters import (
    count_hold,
    count_sale,
    lock_purchase,
    lock_purchases,
    lower_tally,
    raise_tally,
)
from purchases.services.eligibility_changes import blocker_of
from purchases.services.flags import add_evidence
from purchases.services.holds import end_hold
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.payment_receipts import issue_receipt, receipt_facts
from purchases.services.refunds import open_refund
from purchases.services.spending import lock_limits
from purchases.services.stripe_sync import About, note_change
from purchases.services.transitions import move_payment, payment_facts
from raffles.models import Raffle

log = logging.getLogger(__name__)
# Not FAILED: its intent can turn out to have been paid nevertheless.
ENDED = (Payment.Status.SUCCEEDED, Payment.Status.CANCELED)
# For so long a batch asks Stripe; what it has not come to is left. Far less than the claim on its notices.
ASKING_SECONDS = 10.0
# Requests of a batch under way at once: several workers together stay below what Stripe allows (100 a second).
ASKED_AT_ONCE = 8
# In SQL, because the ORM writes a CASE of as many branches as there are purchases.
ISSUE = """
    UPDATE purchases_purchase
    SET status = 'paid', first_ticket = issued.first, paid_at = statement_timestamp(), claimed_until = NULL
    FROM unnest(%s::uuid[], %s::int[]) AS issued(purchase, first) WHERE id = issued.purchase
"""


def settle_purchase(purchase_id: UUID) -> Purchase:
    """Ask Stripe about the purchase's payments and act on the answer; return the purchase as it is then.

    Safe to call any number of times, at once and in any order. Raises ProviderUnavailable or Busy; then nothing
    changed.
    """
    payable = Payment.objects.filter(purchase=purchase_id, status__in=Payment.LIVE).exclude(intent_id=None)
    for payment in payable.select_related("purchase"):
        apply_intent(payment, gateway.retrieve_intent(str(payment.intent_id)))
    return Purchase.objects.for_display().get(pk=purchase_id)


def settle_intent(intent_id: str) -> None:
    """Settle the payment of a payment intent that Stripe told us about. Idempotent.

    If the process that created the intent died before storing its id, its metadata names the payment. An unknown intent
    is ignored. Raises ProviderUnavailable or Busy.
    """
    payment = Payment.objects.select_related("purchase").filter(intent_id=intent_id).first()
    if payment and payment.status in ENDED:
        return
    intent = gateway.retrieve_intent(intent_id)
    if payment is None and (payment := _adopted(intent)) is None:
        return
    apply_intent(payment, intent)


def settle_together(intent_ids: Sequence[str]) -> dict[str, tuple[Payment, Intent] | None]:
    """Ask Stripe about payments of one raffle; issue the tickets of all that arrived as expected in one transaction.

    Whatever needs a decision (money that does not match, a buyer who may no longer buy or has a spending limit, a hold
    that has ended) stays as it is; so does what Stripe does not answer about. Return, by intent, None where tickets
    were issued, and else the arguments for `apply_intent`; nothing for what Stripe did not answer about. Idempotent.
    Raises Busy; then nothing changed. Cost: a request for each, ASKED_AT_ONCE of them at once, and some fifteen
    statements.
    """
    open_ones = Payment.objects.filter(intent_id__in=intent_ids, status=Payment.Status.OPEN).select_related("purchase")
    asked = {str(each.intent_id): each for each in open_ones}
    answered = {intent.id: (asked[intent.id], intent) for intent in _ask(list(asked))}
    arrived = {payment.pk: intent for payment, intent in answered.values() if intent.status == "succeeded"}
    taken = _take_expected(arrived) if arrived else set()
    return {intent_id: None if said[0].pk in taken else said for intent_id, said in answered.items()}


def _ask(intent_ids: Sequence[str]) -> list[Intent]:
    """Ask Stripe about intents, holding no database connection; leave out what it refuses or does not answer.

    Cost: ASKING_SECONDS, and what the requests take that are under way then.
    """
    if not intent_ids:
        return []
    gateway.release_connection()
    deadline, is_silent = monotonic() + ASKING_SECONDS, Event()

    def ask(intent_id: str) -> Intent | None:
        if is_silent.is_set() or monotonic() > deadline:
            return None
        try:
            return gateway.retrieve_intent(intent_id)
        except ProviderRefused:
            return None
        except ProviderUnavailable:
            is_silent.set()
            return None

    with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(intent_ids))) as pool:
        return [intent for intent in pool.map(ask, intent_ids) if intent]


def _take_expected(arrived: dict[UUID, Intent]) -> set[UUID]:
    """Issue tickets for succeeded intents, by their payments, of one raffle: of each that needs no decision.

    Return the payments of which tickets were issued.
    """
    bought = list(Purchase.objects.filter(payments__in=arrived).values_list("pk", "buyer_id", "raffle_id"))
    people = {buyer for _, buyer, _ in bought}
    with atomic_with_lock_timeout():
        # The same locks as for one, in the same order, and of each kind in the order of their keys.
        lock_eligibility(people)
        lock_limits(*people)
        purchases = {each.pk: each for each in lock_purchases([purchase for purchase, _, _ in bought])}
        locked = Payment.objects.select_for_update(no_key=True).filter(pk__in=arrived).order_by("pk")
        payments = [each for each in locked if each.status == Payment.Status.OPEN]
        if Raffle.objects.filter(pk__in={raffle for *_, raffle in bought}, status=Raffle.Status.CANCELLED).exists():
            return set()
        eligibilities = eligibilities_of(people)
        expected: list[tuple[Payment, Purchase]] = []
        for payment in payments:
            purchase = purchases[payment.purchase_id]
            eligibility = eligibilities[purchase.buyer_id]
            if (
                purchase.status == Purchase.Status.PENDING
                and not eligibility.is_limited
                and blocker_of(purchase, eligibility, is_paid=True) is None
                and not mismatches(purchase, payment, arrived[payment.pk])
            ):
                expected.append((payment, purchase))
        if expected:
            _end_payments([payment for payment, _ in expected], Payment.Status.SUCCEEDED)
            _issue_tickets([purchase for _, purchase in expected])
    return {payment.pk for payment, _ in expected}


def _adopted(intent: Intent) -> Payment | None:
    """Return the payment that the intent was made for, its id stored; None if unknown or ended without the intent."""
    payment = Payment.objects.filter(pk=intent.payment, purchase=intent.purchase).first() if intent.payment else None
    if payment is None:
        log.warning("intent %s is none of ours", intent.id)
        return None
    started = Payment.objects.filter(pk=payment.pk, intent_id=None, status=Payment.Status.STARTED)
    with atomic_with_lock_timeout():
        if locked := started.select_for_update(no_key=True).first():
            made = {"intent_id": intent.id, "client_secret": intent.client_secret}
            move_payment(locked, Payment.Status.OPEN, **made, calling_since=None)
            return locked
    if known := Payment.objects.filter(intent_id=intent.id).first():
        # The request that created it has stored it just now.
        return known
    if not intent.is_final:
        # Its attempt ended: nobody was told its secret, and it must not be paid.
        intent = gateway.cancel_intent(intent.id)
    if intent.status != "succeeded":
        return None
    # Paid anyway, however: its money is handled like any other.
    Payment.objects.filter(pk=payment.pk, intent_id=None).update(intent_id=intent.id)
    return Payment.objects.filter(intent_id=intent.id).first()


def apply_intent(asked: Payment, intent: Intent) -> None:
    """Update our books to what Stripe just said of the intent, in one transaction. Only moves forward.

    `asked` is the payment as it was before Stripe was asked. If it has changed since, another caller may have a newer
    answer, so only a final status counts. Raises Busy.
    """
    with atomic_with_lock_timeout():
        # Nothing about the buyer changes between the check whether they may buy and the end of this transaction.
        lock_eligibility([asked.purchase.buyer_id])
        lock_limits(asked.purchase.buyer_id)
        purchase = lock_purchase(asked.purchase_id)
        payment = Payment.objects.select_for_update(no_key=True).get(pk=asked.pk)
        if payment.status in ENDED:
            return
        if payment.status != asked.status and not intent.is_final:
            return
        if intent.status == "succeeded":
            _end_payments([payment], Payment.Status.SUCCEEDED)
            _take_money(purchase, payment, intent)
        elif intent.status == "canceled":
            _end_payments([payment], Payment.Status.CANCELED)
            if purchase.status in Purchase.HOLDING and _is_over(purchase):
                end_hold(purchase, Purchase.Status.EXPIRED)
        elif intent.status == "processing":
            _wait_for_bank(purchase, payment)
        elif payment.status == Payment.Status.PROCESSING:
            _bank_refused(purchase, payment)


def _end_payments(payments: Sequence[Payment], status: Payment.Status) -> None:
    """End locked payments of one status. Cost: three statements."""
    before = payments[0].status
    for payment in payments:
        payment.status = status
    Payment.objects.filter(pk__in=[each.pk for each in payments]).update(status=status, updated_at=Now())
    record_all(f"payment.{status}", ((each, payment_facts(each)) for each in payments), before={"status": before})
    note_change(*((About.INTENT, str(each.intent_id)) for each in payments))


def _is_over(purchase: Purchase) -> bool:
    """Whether the hold is overdue by the database's clock, as for the sweep that finds it."""
    return Purchase.objects.overdue().filter(pk=purchase.pk).exists()


def _wait_for_bank(purchase: Purchase, payment: Payment) -> None:
    """Keep the tickets held while a bank takes days, within the bounds of `may_wait`; no draw waits for it."""
    is_news = payment.status != Payment.Status.PROCESSING
    if is_news:
        move_payment(payment, Payment.Status.PROCESSING)
        note_change((About.INTENT, str(payment.intent_id)))
    raffle = purchase.raffle
    if purchase.status == Purchase.Status.PENDING and may_wait(purchase):
        last_moment = raffle.closes_at + timedelta(seconds=settings.HOLD_SECONDS)
        purchase.status, purchase.expires_at = Purchase.Status.PROCESSING, last_moment
        purchase.save(update_fields=["status", "expires_at"])
        record("purchase.processing", purchase, before={"status": "pending"}, after={"status": purchase.status})
        notify(purchase.buyer, "purchase_processing", about=payment.id, raffle=raffle.title)
    elif purchase.status in Purchase.HOLDING and _is_over(purchase):
        end_hold(purchase, Purchase.Status.EXPIRED)
    elif purchase.status == Purchase.Status.PENDING and is_news:
        until = purchase.expires_at.isoformat()
        notify(purchase.buyer, "purchase_processing", about=payment.id, raffle=raffle.title, until=until)


def _bank_refused(purchase: Purchase, payment: Payment) -> None:
    """Reopen a payment that the bank refused; give its buyer the usual time to pay again, once.

    If the tickets are gone by then, the sale is over, or the buyer may no longer buy, the intent is cancelled.
    Tickets that were not held for the bank keep their time.
    """
    move_payment(payment, Payment.Status.OPEN)
    note_change((About.INTENT, str(payment.intent_id)))
    purchase.bank_refusals += 1
    purchase.save(update_fields=["bank_refusals"])
    if purchase.status == Purchase.Status.PENDING:
        return
    is_welcome = is_on_sale(purchase.raffle_id) and not is_refused_too_often(purchase)
    is_held = purchase.status == Purchase.Status.PROCESSING
    if is_held and is_welcome and not blocker_of(purchase, eligibility_of(purchase.buyer_id)):
        purchase.status = Purchase.Status.PENDING
        purchase.expires_at = Now() + timedelta(seconds=settings.HOLD_SECONDS)
        purchase.save(update_fields=["status", "expires_at"])
        record("purchase.pending", purchase, before={"status": "processing"}, after={"status": purchase.status})
        facts = {"raffle": purchase.raffle.title, "raffle_id": str(purchase.raffle_id)}
        notify(purchase.buyer, "payment_failed", about=payment.id, **facts)
    else:
        enqueue(end_payment, str(payment.pk))
        if is_held:
            end_hold(purchase, Purchase.Status.EXPIRED)


def end_payment(payment_id: str) -> None:
    """Cancel the intent of a payment that must no longer be paid. Idempotent. Raises ProviderUnavailable."""
    payment = Payment.objects.select_related("purchase").get(pk=payment_id)
    if payment.status in Payment.LIVE:
        apply_intent(payment, gateway.cancel_intent(str(payment.intent_id)))


def _take_money(purchase: Purchase, payment: Payment, intent: Intent) -> None:
    """Issue tickets for money that arrived, refund it, or flag it for finance. The purchase is locked."""
    if faults := mismatches(purchase, payment, intent):
        _flag(purchase, faults, intent)
        return
    is_held = purchase.status in Purchase.HOLDING
    if not is_held and purchase.status != Purchase.Status.EXPIRED:
        # Another payment paid for its tickets: this money goes back, whatever happened to them.
        open_refund(purchase, payment, reason=reasons.TWICE, leaves=False)
        return
    reason = _why_money_goes_back(purchase)
    if reason is None:
        _issue_tickets([purchase])
        return
    if is_held:
        end_hold(purchase, Purchase.Status.EXPIRED)
    open_refund(purchase, payment, reason=reason)


def _why_money_goes_back(purchase: Purchase) -> str | None:
    """Return the refund's reason; None if the buyer may buy and the tickets are held or can be held again."""
    is_held = purchase.status in Purchase.HOLDING
    if purchase.raffle.status == Raffle.Status.CANCELLED:
        return reasons.of_cancelling(purchase.raffle) if is_held or _lost_by_cancelling(purchase) else reasons.TOO_LATE
    eligibility = eligibility_of(purchase.buyer_id)
    blocker = blocker_of(purchase, eligibility, is_paid=is_held)
    if blocker:
        return reasons.NOT_ELIGIBLE.get(blocker, reasons.TOO_LATE)
    return None if is_held or _hold_again_for_late_payment(purchase, eligibility) else reasons.TOO_LATE


def _lost_by_cancelling(purchase: Purchase) -> bool:
    """Whether its hold ended because the raffle was cancelled, or could have been renewed otherwise."""
    raffle = purchase.raffle
    return raffle.closed_at is None or bool(raffle.cancelled_at and purchase.expires_at >= raffle.cancelled_at)


def _flag(purchase: Purchase, faults: list[str], intent: Intent) -> None:
    """Flag money that does not match for finance: keep the evidence, issue no tickets."""
    add_evidence(purchase, faults, intent=_without_secret(intent))
    if purchase.status in Purchase.HOLDING:
        end_hold(purchase, Purchase.Status.REVIEW)
        return
    before = purchase.status
    if purchase.status == Purchase.Status.EXPIRED:
        purchase.status = Purchase.Status.REVIEW
    purchase.save(update_fields=["status", "review_evidence"])
    after = {"status": purchase.status, "faults": faults}
    record("purchase.review", purchase, before={"status": before}, after=after)


def _hold_again_for_late_payment(purchase: Purchase, eligibility: Eligibility) -> bool:
    """Hold the tickets of a late payment again, if the raffle and the buyer's ticket limit in it have room.

    A buyer with a spending limit is refunded: their other purchases may have filled it meanwhile. To count them, the
    limits would have to be locked, which comes before the tally everywhere else.
    """
    if eligibility.is_limited:
        return False
    if not raise_tally(purchase.raffle, purchase.buyer_id, purchase.quantity):
        return False
    if count_hold(purchase.raffle_id, purchase.quantity):
        return True
    lower_tally(purchase)
    return False


def _issue_tickets(purchases: Sequence[Purchase]) -> None:
    """Issue numbers for held tickets of one raffle, to locked purchases of one status in their order.

    The counter comes late, as all buyers of the raffle wait once it is locked. Cost: five statements.
    """
    before = purchases[0].status
    enqueue(tell_buyers, [str(each.pk) for each in purchases])
    first = count_sale(purchases[0].raffle_id, sum(each.quantity for each in purchases))
    for purchase in purchases:
        purchase.status, purchase.first_ticket, purchase.claimed_until = Purchase.Status.PAID, first, None
        first += purchase.quantity
    with connection.cursor() as cursor:
        cursor.execute(ISSUE, [[each.pk for each in purchases], [each.first_ticket for each in purchases]])
    paid = ((each, {"status": each.status} | (each.tickets or {})) for each in purchases)
    record_all("purchase.paid", paid, before={"status": before})
    webhooks.emit(EventType.PURCHASE_PAID, ((each.pk, _told(each)) for each in purchases))


def _told(purchase: Purchase) -> dict[str, Any]:
    """Return what other systems are told of a paid purchase."""
    names = {"purchase": purchase.pk, "raffle": purchase.raffle_id, "buyer": purchase.buyer_id}
    first = purchase.first_ticket or 0
    tickets = {"first_ticket": first, "last_ticket": first + purchase.quantity - 1, "quantity": purchase.quantity}
    return names | tickets | {"amount": purchase.amount, "currency": purchase.currency}


def tell_buyers(purchase_ids: Sequence[str]) -> None:
    """Send buyers their numbers and issue their receipts, unless a purchase was refunded meanwhile. Idempotent."""
    for bought in Purchase.objects.paid().filter(pk__in=purchase_ids, amount__gt=0).select_related("raffle", "buyer"):
        with transaction.atomic():
            facts = receipt_facts(issue_receipt(bought.pk), bought)
            notify(bought.buyer, "purchase_paid", about=bought.pk, **receipts.facts_of(bought), **facts)


def mismatches(purchase: Purchase, payment: Payment, intent: Intent) -> list[str]:
    """Return, in words, how a succeeded intent differs from its purchase. Cost: one query for an adopted intent."""
    expected = {"amount_received": purchase.amount, "amount": purchase.amount, "currency": purchase.currency}
    faults = [
        f"{name} is {getattr(intent, name)}, expected {value}"
        for name, value in expected.items()
        if getattr(intent, name) != value
    ]
    ours = intent.customer == payment.customer or (
        not payment.customer and gateway.is_customer(intent.customer, purchase.buyer)
    )
    if not ours:
        faults.append(f"customer is {intent.customer}, who is not the buyer")
    return faults


def _without_secret(intent: Intent) -> dict[str, object]:
    facts = {name: value for name, value in asdict(intent).items() if name != "client_secret"}
    return {name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()}
