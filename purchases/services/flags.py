"""Flags: what finance has to look at, kept on the purchase with its evidence."""

from typing import Any
from uuid import UUID

from luxewin.audit.services import record
from purchases.models import Purchase
from purchases.services.locking import locking


def add_evidence(purchase: Purchase, faults: list[str], **facts: Any) -> None:
    """Sets `review_evidence` to what it was with these faults and facts; the caller, who has it locked, saves it."""
    kept = purchase.review_evidence or {}
    purchase.review_evidence = kept | facts | {"faults": [*kept.get("faults", []), *faults]}


def flag_purchase(purchase_id: UUID, fault: str, *, refunds: dict[str, int] | None = None) -> None:
    """Notes a fault on the purchase, whose status stays; the same fault once.

    `refunds` are those that somebody made at Stripe by hand: amounts by Stripe's ids.
    """
    with locking():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        evidence = purchase.review_evidence or {}
        if fault in evidence.get("faults", []):
            return
        facts = {"refunds": evidence.get("refunds", {}) | refunds} if refunds else {}
        add_evidence(purchase, [fault], **facts)
        purchase.save(update_fields=["review_evidence"])
        record("purchase.flagged", purchase, after={"fault": fault})
