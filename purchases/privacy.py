"""Personal data of purchases: what is held on people, what delays their erasure, and what is erased."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any

from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat, Replace
from djstripe.models import Charge, Customer, WebhookEventTrigger

from accounts.models import User
from accounts.privacy import exports, retention
from accounts.privacy.account_data import audit_rows
from accounts.privacy.erasure import Obstacle, eraser, obstacle
from accounts.services import remember_excluded_cards
from luxewin.audit.models import AuditEntry
from luxewin.money import as_input
from purchases import gateway, services
from purchases.models import (
    Dispute,
    Payment,
    PaymentReceipt,
    PersonTally,
    PostalEntry,
    Purchase,
    Refund,
    SkillAttempt,
)

TICKETS = (
    "raffle",
    "purchase",
    "entry",
    "status",
    "first",
    "last",
    "count",
    "amount",
    "currency",
    "paid_at_utc",
)


def register() -> None:
    """Register what archives contain, and retention rules. Call once, when the app is ready."""
    bought = "what you bought and entered"
    exports.register_rows("purchases/purchases.json", bought, Purchase, by="buyer", as_hex=("holder", "nonce"))
    tickets = "your tickets, for a spreadsheet"
    exports.register("purchases/tickets.csv", tickets, _tickets, "purchases.Purchase", columns=TICKETS)
    of_purchase = "purchase__buyer"
    exports.register_rows("purchases/payments.json", "how it was paid", Payment, "client_secret", by=of_purchase)
    exports.register_rows(
        "purchases/receipts.json", "the numbers of your payment receipts", PaymentReceipt, by=of_purchase
    )
    exports.register_rows("purchases/refunds.json", "what was paid back", Refund, by="payment__purchase__buyer")
    exports.register_rows("purchases/disputes.json", "your bank's claims", Dispute, by="payment__purchase__buyer")
    exports.register_rows(
        "purchases/letters.json", "your free entries by post", PostalEntry, "entered_by_id", by=of_purchase
    )
    exports.register_rows("purchases/answers.json", "your answers to questions of skill", SkillAttempt)
    exports.register_rows("purchases/limits.json", "how many tickets count for a raffle's limit", PersonTally)
    exports.register(
        "purchases/stripe.json", "who you are at Stripe, which takes payments", _customers, "djstripe.Customer"
    )
    exports.register("purchases/cards.json", "the cards and accounts that you paid with", _cards)
    exports.register("purchases/audit.json", "what became of your purchases", _audit, "audit.AuditEntry")
    exports.leave_out("a note, gone within seconds, that Stripe is to be told an address", "purchases.CustomerChange")
    exports.leave_out("Stripe's records, which Stripe answers for; what they say of a payment is in ours", "djstripe.*")
    exports.leave_out("which differences with Stripe staff settled; it names no buyer", "purchases.SettledDifference")
    _register_rules()


def _tickets(user: User) -> Iterator[dict[str, Any]]:
    """Yield a row for each purchase, with the columns of TICKETS."""
    bought = Purchase.objects.filter(buyer=user).select_related("raffle").order_by("pk")
    for each in bought.iterator(chunk_size=500):
        tickets: dict[str, Any] = each.tickets or {"first": "", "last": "", "count": each.quantity}
        values = {
            "raffle": each.raffle.title,
            "purchase": each.pk,
            "entry": each.entry_id,
            "status": each.status,
            **tickets,
            "amount": as_input(each.amount, each.currency),
            "currency": each.currency.upper(),
            # In a form that spreadsheet programs read as a time.
            "paid_at_utc": each.paid_at and f"{each.paid_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        }
        yield {name: values[name] for name in TICKETS}


def _cards(user: User) -> Iterator[dict[str, Any]]:
    """Yield all that is kept of cards, failed attempts included: kind, brand, digits, expiry, country, fingerprint."""
    paid = Payment.objects.filter(purchase__buyer=user).exclude(intent_id="").exclude(intent_id=None)
    purchases = dict(paid.values_list("intent_id", "purchase_id"))
    charges = Charge.objects.filter(payment_intent__in=purchases).order_by("created", "id")
    for intent, said in charges.values_list("payment_intent_id", "stripe_data").iterator(chunk_size=500):
        method = said.get("payment_method_details") or {}
        kind = method.get("type") or ""
        facts = {name: value for name, value in (method.get(kind) or {}).items() if isinstance(value, str | int)}
        yield {"purchase": purchases[intent], "kind": kind} | facts


def _customers(user: User) -> QuerySet[Any, Any]:
    return Customer.objects.filter(subscriber=user).values("id", "livemode", "created")


def _audit(user: User) -> Iterator[dict[str, Any]]:
    keys = Purchase.objects.filter(buyer=user).values_list(Cast("pk", CharField()), flat=True)
    return audit_rows(AuditEntry.objects.filter(subject_type="purchase", subject_id__in=keys), user)


STATUSES = {
    Purchase.Status.PENDING: "You have a purchase that is not paid yet.",
    Purchase.Status.PROCESSING: "A bank is still processing one of your payments.",
    Purchase.Status.REVIEW: "Our finance team is checking one of your payments.",
    Purchase.Status.REFUNDING: "One of your purchases is being refunded.",
}


@obstacle
def _money_under_way(user: User) -> Iterable[Obstacle]:
    """Yield what delays a person's erasure: money that they, their bank or we still owe."""
    for purchase in Purchase.objects.filter(buyer=user, status__in=STATUSES):
        yield Obstacle(f"purchase_{purchase.status}", STATUSES[Purchase.Status(purchase.status)], str(purchase.pk))
    refunds = Refund.objects.filter(payment__purchase__buyer=user).exclude(status__in=Refund.DONE)
    for refund in refunds.exclude(payment__purchase__status=Purchase.Status.REFUNDING).select_related("payment"):
        yield Obstacle("refund_open", "One of your refunds is not complete yet.", str(refund.payment.purchase_id))
    disputes = Dispute.objects.filter(payment__purchase__buyer=user).exclude(status__in=Dispute.CLOSED)
    for dispute in disputes.select_related("payment"):
        yield Obstacle("dispute_open", "One of your payments is being disputed.", str(dispute.payment.purchase_id))


@eraser
def _erase_what_was_written(user: User) -> None:
    """Erase free text, nonces and client secrets; amounts, numbers, ids and times are our books, and stay.

    So do holders, which stand among the public entries and say nothing about the person.

    A letter's reference, which staff wrote, may be a name. Nobody is erased before the draw, so it is no longer needed
    to tell whether a letter was entered.
    """
    erased = Concat(Value("erased "), Replace(Cast("purchase_id", CharField()), Value("-"), Value("")))
    PostalEntry.objects.filter(purchase__buyer=user).update(reference=erased)
    SkillAttempt.objects.filter(user=user).update(answer="")
    Payment.objects.filter(purchase__buyer=user).update(client_secret="")
    Purchase.objects.filter(buyer=user).update(nonce=None)


@eraser
def _erase_cards(user: User) -> None:
    """Erase card data except kind, brand and last digits; for an excluded person, keep digests too."""
    remember_excluded_cards(user, services.card_fingerprints_of(user))
    paid = Payment.objects.filter(purchase__buyer=user).exclude(intent_id=None)
    gateway.forget_cards([str(intent) for intent in paid.values_list("intent_id", flat=True)])


def _register_rules() -> None:
    over = [status for status in Purchase.Status.values if status not in Purchase.HOLDING]
    retention.register(
        "client_secrets",
        "Stripe client secrets of finished purchases",
        floor_days=1,
        due=lambda before: Payment.objects.filter(purchase__status__in=over, updated_at__lt=before).exclude(
            client_secret=""
        ),
        remove=lambda batch: batch.update(client_secret=""),
    )
    retention.register(
        "stripe_deliveries",
        "deliveries of Stripe's events with the sender's address; the events stay",
        floor_days=7,
        due=lambda before: WebhookEventTrigger.objects.filter(created__lt=before),
    )
