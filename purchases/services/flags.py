"""Flags: what finance has to look at, kept on the purchase with its evidence."""

from uuid import UUID

from django.db import transaction

from luxewin.audit.services import record
from purchases.models import Purchase


def flag_purchase(purchase_id: UUID, fault: str, *, refunds: dict[str, int] | None = None) -> None:
    """Notes a fault on the purchase, whose status stays; the same fault once.

    `refunds` are those that somebody made at Stripe by hand: amounts by Stripe's ids.
    """
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        evidence = purchase.review_evidence or {}
        faults = evidence.get("faults", [])
        if fault in faults:
            return
        evidence["faults"] = [*faults, fault]
        if refunds:
            evidence["refunds"] = evidence.get("refunds", {}) | refunds
        purchase.review_evidence = evidence
        purchase.save(update_fields=["review_evidence"])
        record("purchase.flagged", purchase, after={"fault": fault})
