"""Stripe's events: which are handled, and how one that no webhook brought is stored."""

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from djstripe.models import Account, Event

from purchases.gateway.client import calling

# What `receivers` handles; the webhook endpoint at Stripe is subscribed to exactly these.
EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


def store_event(data: dict[str, Any]) -> None:
    """Store an event as if it had come by webhook: receivers run once, in the transaction that stores it.

    Makes no request once `know_account` was called.
    """
    with transaction.atomic():
        lock_event(data["id"])
        Event.process(data)


def lock_event(event_id: str) -> None:
    """Lock this event id until the caller's transaction ends. Cost: one statement.

    dj-stripe would run the receivers again if another transaction stored the same event between two of its reads.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [event_id])


def know_account() -> None:
    """Have dj-stripe look up the account of our key, which it would otherwise do inside a transaction."""
    with calling():
        Account.get_or_retrieve_for_api_key(settings.STRIPE_SECRET_KEY)
