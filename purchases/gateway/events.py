"""Stripe's events: which are handled, what of one is stored, and how one that no webhook brought is stored."""

import re
from math import isfinite
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from djstripe.models import Account, Event

from luxewin.clock import database_now
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

# Ids of Stripe are shorter and of letters, digits and underscores.
STRIPE_ID = re.compile(r"[\x21-\x7e]{1,255}")
# What neither text nor JSON of PostgreSQL can hold: NUL, and half of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Stripe expands four levels of objects; the JSON of Python and of PostgreSQL bears some hundreds.
DEEPEST = 60
LATEST = 253_402_300_799  # the last second of 9999, the last that a datetime can hold


def is_handled(event: dict[str, Any]) -> bool:
    """Whether an event is of a type in EVENTS, of our own account, and about an object with an id."""
    if event.get("account") or event["type"] not in EVENTS or not STRIPE_ID.fullmatch(event["id"]):
        return False
    about = event["data"].get("object")
    return isinstance(about, dict) and stripe_id(about) is not None


def stripe_id(said: Any) -> str | None:
    """Return the id of an object that Stripe names by its id or sends whole; None if it is neither."""
    found = said.get("id") if isinstance(said, dict) else said
    return found if isinstance(found, str) and STRIPE_ID.fullmatch(found) else None


def storable_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event that `is_handled` as dj-stripe can store it: what it reads, as its columns can hold it.

    Only the event's id, its type and its object's id have an effect here, so nothing odd beside them is a reason to
    refuse it: Stripe would send it again for days, and then disable our endpoint.
    """
    request, created = event.get("request"), event.get("created")
    if not isinstance(request, dict):
        request = {"id": request}
    return {
        "id": event["id"],
        "object": "event",
        "type": event["type"],
        "livemode": event["livemode"],
        "created": created if isinstance(created, int) and 0 <= created <= LATEST else int(database_now().timestamp()),
        "api_version": _text(event.get("api_version"), 64),
        "request": {name: _text(request.get(name), 50) for name in ("id", "idempotency_key")},
        "data": storable_json(event["data"]),
    }


def storable_json(value: Any, *, depth: int = DEEPEST) -> Any:
    """Copy JSON with U+FFFD for characters, and null for numbers and depths, that the database cannot hold."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict | list) and not depth:
        return None
    if isinstance(value, dict):
        return {storable_json(name): storable_json(each, depth=depth - 1) for name, each in value.items()}
    return [storable_json(each, depth=depth - 1) for each in value] if isinstance(value, list) else value


def _text(value: Any, most: int) -> str | None:
    return storable_json(value)[:most] if isinstance(value, str) else None


def store_event(data: dict[str, Any]) -> None:
    """Store an event as if it had come by webhook: receivers run once, in the transaction that stores it.

    Makes no request once `know_account` was called.
    """
    with transaction.atomic():
        lock_event(data["id"])
        Event.process(storable_event(data))


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
