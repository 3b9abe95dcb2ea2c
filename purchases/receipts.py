"""Receipts of paid purchases. How they are signed is of the draw: its app registers that when it is ready."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from accounts.models import Notification
    from purchases.models import Purchase


@dataclass
class Source:
    """Who signs receipts: a function of a purchase, and the columns that it reads of rows selected `for_display`."""

    sign: Callable[["Purchase"], dict[str, Any] | None] = lambda _: None
    columns: dict[str, Any] = field(default_factory=dict)


SOURCE = Source()


def register(sign: Callable[["Purchase"], dict[str, Any] | None], **columns: Any) -> None:
    """Have `sign` make the receipts; lists annotate their purchases with `columns`, so that it needs no query a row."""
    SOURCE.sign, SOURCE.columns = sign, columns


def receipt_of(purchase: "Purchase") -> dict[str, Any] | None:
    """Return the receipt; None unless the purchase is an entry and its key is there.

    Cost: one signature, and one query for a purchase that was not selected `for_display`.
    """
    return SOURCE.sign(purchase)


def facts_of(purchase: "Purchase") -> dict[str, Any]:
    """Return what every message about tickets names: the raffle, the numbers, and the purchase."""
    return {
        "raffle": purchase.raffle.title,
        "raffle_id": str(purchase.raffle_id),
        "tickets": purchase.tickets,
        "purchase": str(purchase.pk),
    }


def for_mail(notification: "Notification") -> dict[str, str]:
    """Return what the mail of a paid purchase adds to its context: the receipt as one line of JSON, and the card.

    The stored row has only the purchase's id, so that nonces stay where an erasure finds them. Either is empty if there
    is none; the card also while Stripe's record of the payment has not arrived. Cost: two queries.
    """
    from purchases.models import Purchase

    about = notification.context.get("purchase")
    purchase = Purchase.objects.for_display().filter(pk=UUID(about)).first() if about else None
    receipt = purchase and receipt_of(purchase)
    return {
        "receipt": json.dumps(receipt, separators=(",", ":")) if receipt else "",
        "card": card_of(purchase) if purchase else "",
    }


def card_of(purchase: "Purchase") -> str:
    """Return what paid for the purchase, as `Visa •••• 4242`; empty if that is not known. Cost: one query."""
    from djstripe.models import Charge

    intents = purchase.payments.filter(status="succeeded").values("intent_id")
    paid = Charge.objects.filter(payment_intent__in=intents, stripe_data__status="succeeded")
    method = (paid.values_list("stripe_data__payment_method_details", flat=True).first() or {}) if intents else {}
    kind = method.get("type") or ""
    said = method.get(kind) or {}
    digits, brand = said.get("last4"), said.get("brand") or kind.replace("_", " ")
    return f"{str(brand).capitalize()} •••• {digits}" if digits else ""
