"""Replay of events that dj-stripe stored."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from djstripe.models import Event

BATCH = 200


def stored_events(
    *, since: datetime | None = None, kind: str | None = None, event_id: str | None = None
) -> Iterator[Event]:
    """Yield stored events created since then, of this type, with this Stripe id; oldest first."""
    events = Event.objects.order_by("created", "djstripe_id")
    if since:
        events = events.filter(created__gte=since)
    if kind:
        events = events.filter(type=kind)
    if event_id:
        events = events.filter(id=event_id)
    # Only ids are kept in memory: events are read in batches, and no cursor stays open.
    keys = list(events.values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        batch = Event.objects.in_bulk(keys[start : start + BATCH])
        yield from (batch[key] for key in keys[start : start + BATCH] if key in batch)


def replay_event(event: Event) -> None:
    """Run the receivers again, in a transaction of their own. Harmless for an event that took effect."""
    with transaction.atomic():
        event.invoke_webhook_handlers()
