"""The Stripe client: only this package imports and calls `stripe`.

Call no function here inside a transaction. dj-stripe keeps copies of customers, intents, refunds and disputes
(`records`) for people to look at. Decisions are made on the fresh answers of `calls`.
"""

from purchases.gateway.calls import (
    Intent,
    Rest,
    StripeDispute,
    StripeRefund,
    cancel_intent,
    create_intent,
    create_refund,
    customer_of,
    disputes_between,
    events_between,
    find_refund,
    intents_between,
    is_customer,
    refundable,
    refunds_between,
    retrieve_dispute,
    retrieve_intent,
    retrieve_refund,
)
from purchases.gateway.client import MISSING, TIMEOUT_SECONDS, configure, ping, release_connection
from purchases.gateway.customer_erasure import erase_customer, forget_customer, update_customer
from purchases.gateway.endpoints import (
    Endpoint,
    endpoints,
    is_our_endpoint,
    is_signed,
    recorded_endpoints,
    register_webhook,
)
from purchases.gateway.events import (
    EVENTS,
    is_handled,
    know_account,
    lock_event,
    storable_event,
    storable_json,
    store_event,
    stripe_id,
)
from purchases.gateway.records import mirror_dispute, mirror_intent, mirror_refund
from purchases.gateway.redaction import forget_cards, keep_payers_out, without_payers

__all__ = [
    "EVENTS",
    "MISSING",
    "TIMEOUT_SECONDS",
    "Endpoint",
    "Intent",
    "Rest",
    "StripeDispute",
    "StripeRefund",
    "cancel_intent",
    "configure",
    "create_intent",
    "create_refund",
    "customer_of",
    "disputes_between",
    "endpoints",
    "erase_customer",
    "events_between",
    "find_refund",
    "forget_cards",
    "forget_customer",
    "intents_between",
    "is_customer",
    "is_handled",
    "is_our_endpoint",
    "is_signed",
    "keep_payers_out",
    "know_account",
    "lock_event",
    "mirror_dispute",
    "mirror_intent",
    "mirror_refund",
    "ping",
    "recorded_endpoints",
    "refundable",
    "refunds_between",
    "register_webhook",
    "release_connection",
    "retrieve_dispute",
    "retrieve_intent",
    "retrieve_refund",
    "storable_event",
    "storable_json",
    "store_event",
    "stripe_id",
    "update_customer",
    "without_payers",
]
