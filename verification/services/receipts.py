"""Receipts of purchases: the promise, signed by the draw's own key, that an entry is in the log."""

from typing import Any

from django.db.models import F

from purchases.models import Purchase
from verification import receipts
from verification.log import Kind, Leaf
from verification.models import Draw
from verification.receipt_keys import private_key

# What purchases are annotated with where several are shown.
COLUMNS = {"draw_manifest_hash": F("raffle__draw__manifest_hash"), "draw_receipt_key": F("raffle__draw__receipt_key")}


def receipt_of(purchase: Purchase) -> dict[str, Any] | None:
    """Return the purchase's receipt, always the same; None unless it is an entry, and its draw's key is ours."""
    if purchase.status != Purchase.Status.PAID or purchase.first_ticket is None or purchase.paid_at is None:
        return None
    manifest_hash, public = _draw_of(purchase)
    key = private_key(public) if public else None
    if key is None or manifest_hash is None:
        return None
    leaf = Leaf(
        Kind.ENTERED,
        purchase.entry_id,
        purchase.first_ticket,
        purchase.quantity,
        bytes(purchase.holder),
        # As the trigger entries_are_logged cuts it.
        int(purchase.paid_at.replace(microsecond=0).timestamp()),
    )
    nonce = bytes(purchase.nonce) if purchase.nonce is not None else None
    manifest = bytes.fromhex(manifest_hash)
    return receipts.receipt(key, raffle=purchase.raffle_id, manifest_hash=manifest, leaf=leaf, nonce=nonce)


def _draw_of(purchase: Purchase) -> tuple[str | None, str | None]:
    if hasattr(purchase, "draw_receipt_key"):
        return getattr(purchase, "draw_manifest_hash", None), purchase.draw_receipt_key
    found = Draw.objects.filter(pk=purchase.raffle_id).values_list("manifest_hash", "receipt_key").first()
    return found or (None, None)
