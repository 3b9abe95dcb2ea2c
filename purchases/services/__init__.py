"""Writes of purchases: hold, pay, settle, expire, refund. The steps are described in `docs/architecture.md`."""

from purchases.services.expiry import expire_purchase
from purchases.services.holds import hold_tickets
from purchases.services.payments import open_payment, purchase_tickets
from purchases.services.refunds import execute_refund, refund_raffle, request_refund
from purchases.services.settlement import settle_purchase

__all__ = [
    "execute_refund",
    "expire_purchase",
    "hold_tickets",
    "open_payment",
    "purchase_tickets",
    "refund_raffle",
    "request_refund",
    "settle_purchase",
]
