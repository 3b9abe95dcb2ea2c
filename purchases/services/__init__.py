"""Writes of purchases: hold, pay, settle, expire, refund. The steps are described in `docs/architecture.md`."""

from purchases.services.disputes import note_dispute
from purchases.services.expiry import expire_purchase
from purchases.services.holds import hold_tickets
from purchases.services.payments import open_payment, purchase_tickets
from purchases.services.refunds import (
    execute_refund,
    refund_raffle,
    request_refund,
    retry_refund,
    void_purchase,
)
from purchases.services.settlement import settle_intent, settle_purchase

__all__ = [
    "execute_refund",
    "expire_purchase",
    "hold_tickets",
    "note_dispute",
    "open_payment",
    "purchase_tickets",
    "refund_raffle",
    "request_refund",
    "retry_refund",
    "settle_intent",
    "settle_purchase",
    "void_purchase",
]
