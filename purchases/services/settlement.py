"""Settling: one idempotent function, whoever calls it: webhook, buyer, or sweep."""

from dataclasses import asdict
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.tasks.queue import enqueue
from purchases import gateway
from purchases.gateway import Intent
from purchases.models import Payment, Purchase
from purchases.services.counters import count_hold, count_sale, lock_tally, lower_tally, raise_tally
from purchases.services.holds import end_hold
from purchases.services.refunds import open_refund
from raffles.models import Raffle


def settle_purchase(purchase_id: UUID) -> Purchase:
    """Asks Stripe about the purchase's intent and acts on the answer; returns the purchase as it is then.

    Safe to call any number of times, at once and in any order. Raises ProviderUnavailable; then nothing changed.
    """
    payment = Payment.objects.filter(purchase=purchase_id).exclude(intent_id=None).first()
    if payment and payment.intent_id and payment.status != Payment.Status.SUCCEEDED:
        apply_intent(purchase_id, gateway.retrieve_intent(payment.intent_id))
    return Purchase.objects.for_display().get(pk=purchase_id)


def apply_intent(purchase_id: UUID, intent: Intent) -> None:
    """Brings the books to what Stripe said of the intent just now, in one transaction. Moves forward only."""
    with transaction.atomic():
        lock_tally(Purchase.objects.get(pk=purchase_id))
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        payment = Payment.objects.get(purchase=purchase)
        if payment.status in {Payment.Status.SUCCEEDED, Payment.Status.CANCELED} or not intent.is_final:
            return
        if intent.status == "canceled":
            _payment_ends(payment, Payment.Status.CANCELED)
            if purchase.status == Purchase.Status.PENDING:
                end_hold(purchase, Purchase.Status.EXPIRED)
            return
        _payment_ends(payment, Payment.Status.SUCCEEDED)
        _take_money(purchase, intent)


def _payment_ends(payment: Payment, status: Payment.Status) -> None:
    payment.status = status
    payment.save(update_fields=["status", "updated_at"])
    enqueue(gateway.mirror_intent, payment.intent_id)


def _take_money(purchase: Purchase, intent: Intent) -> None:
    """The money is there: seat it, or send it back, or have finance look. The purchase is locked."""
    if faults := _mismatches(purchase, intent):
        purchase.review_evidence = {"faults": faults, "intent": _without_secret(intent)}
        if purchase.status == Purchase.Status.PENDING:
            end_hold(purchase, Purchase.Status.REVIEW)
        else:
            purchase.status = Purchase.Status.REVIEW
            purchase.save(update_fields=["status", "review_evidence"])
            record("purchase.review", purchase, after={"faults": faults})
        return
    cancelled = Raffle.objects.filter(pk=purchase.raffle_id, status=Raffle.Status.CANCELLED).exists()
    if purchase.status == Purchase.Status.PENDING and cancelled:
        end_hold(purchase, Purchase.Status.EXPIRED)
    if purchase.status == Purchase.Status.PENDING or (not cancelled and _hold_again(purchase)):
        _seat(purchase)
    else:
        open_refund(purchase, reason="The payment came after the tickets were given back to the sale.")


def _hold_again(purchase: Purchase) -> bool:
    """Late money: the same tickets once more, if the raffle and the person's limit still have room."""
    if not raise_tally(purchase.raffle, purchase.buyer_id, purchase.quantity):
        return False
    if count_hold(purchase.raffle_id, purchase.quantity):
        return True
    lower_tally(purchase)
    return False


def _seat(purchase: Purchase) -> None:
    """Numbers for held tickets."""
    before = purchase.status
    first = count_sale(purchase.raffle_id, purchase.quantity)
    purchase.status, purchase.first_ticket, purchase.paid_at = Purchase.Status.PAID, first, timezone.now()
    purchase.claimed_until = None
    purchase.save(update_fields=["status", "first_ticket", "paid_at", "claimed_until"])
    record(
        "purchase.paid",
        purchase,
        before={"status": before},
        after={"status": purchase.status} | (purchase.tickets or {}),
    )
    notify(purchase.buyer, "purchase_paid", about=purchase.id, raffle=purchase.raffle.title, tickets=purchase.tickets)


def _mismatches(purchase: Purchase, intent: Intent) -> list[str]:
    expected = {"amount_received": purchase.amount, "amount": purchase.amount, "currency": purchase.currency}
    faults = [
        f"{name} is {getattr(intent, name)}, expected {value}"
        for name, value in expected.items()
        if getattr(intent, name) != value
    ]
    if not gateway.is_customer(intent.customer, purchase.buyer):
        faults.append(f"customer is {intent.customer}, who is not the buyer")
    return faults


def _without_secret(intent: Intent) -> dict[str, object]:
    return {name: value for name, value in asdict(intent).items() if name != "client_secret"}
