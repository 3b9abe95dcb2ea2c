"""Flags: what finance has to review, kept on the purchase with its evidence."""

from typing import Any
from uuid import UUID

from luxewin.audit.services import record
from purchases.models import Purchase
from purchases.services.locking import atomic_with_lock_timeout


def add_evidence(purchase: Purchase, faults: list[str], **facts: Any) -> None:
    """Add faults and facts to the `review_evidence` of a locked purchase; the caller saves it."""
    kept = purchase.review_evidence or {}
    purchase.review_evidence = kept | facts | {"faults": [*kept.get("faults", []), *faults]}


def flag_purchase(purchase_id: UUID, fault: str) -> None:
    """Note a fault on the purchase, whose status stays; the same fault only once. Raises Busy."""
    with atomic_with_lock_timeout():
        add_flag(Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id), fault)


def add_flag(purchase: Purchase, fault: str, **facts: dict[str, Any]) -> bool:
    """Note a fault on a locked purchase, in the caller's transaction; return False if it was noted before.

    Each of `facts` is merged into the evidence of that name.
    """
    evidence = purchase.review_evidence or {}
    if fault in evidence.get("faults", []):
        return False
    add_evidence(purchase, [fault], **{name: evidence.get(name, {}) | more for name, more in facts.items()})
    purchase.save(update_fields=["review_evidence"])
    record("purchase.flagged", purchase, after={"fault": fault})
    return True
