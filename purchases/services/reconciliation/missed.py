"""Missed webhooks: events that Stripe has and we have not are taken in by the very way of a webhook."""

import json
import logging
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from djstripe.models import Event

from luxewin.clock import database_now
from purchases import gateway
from purchases.models import StripeWatch, UnstoredEvent
from purchases.services.reconciliation.stretches import Stretches

log = logging.getLogger(__name__)
# The newest events are left to their webhooks.
MARGIN = timedelta(seconds=10)
# Looked through again each time, for events that Stripe lists late and for clocks that differ.
OVERLAP = timedelta(seconds=60)
# More than what is looked through while all is quiet, so that this is one request.
STRETCH = timedelta(minutes=2)
# How long Stripe keeps events.
KEPT = timedelta(days=30)
BUDGET_SECONDS = 40
# More events than this are not kept in memory.
MOST = 5_000
# An event that could not be taken in is tried again, after twice as long each time.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)


def begin_watching() -> StripeWatch:
    """The one row that says how far we have looked; what happened before it was made is left to `reconcile`."""
    now = database_now()
    return StripeWatch.objects.get_or_create(pk=1, defaults={"events_until": now, "compared_at": now})[0]


def fetch_missed_events() -> int:
    """Takes in the events that no webhook brought, oldest first; returns how many.

    Several at once do no harm: dj-stripe stores an event, with what its receivers did, once. One that cannot be taken
    in is kept as an UnstoredEvent, which a sweep tries again, and keeps no other. Goes on where it stopped; works for
    BUDGET_SECONDS at most. Raises ProviderUnavailable. Cost with nothing missed: three statements, one request.
    """
    watch = begin_watching()
    now, deadline = database_now(), monotonic() + BUDGET_SECONDS
    if watch.events_until < now - KEPT:
        log.error(
            "Stripe has forgotten the events from %s to %s: run `manage.py reconcile --since %s`",
            watch.events_until,
            now - KEPT,
            watch.events_until.date(),
        )
        watch.events_until = now - KEPT
    fetched = 0

    def visit(start: datetime, stop: datetime) -> int | None:
        nonlocal fetched
        missing = _missing(start, stop)
        if missing is None:
            return None
        fetched += sum(_store(data) for data in reversed(missing))
        if stop - OVERLAP > watch.events_until:
            StripeWatch.objects.filter(pk=watch.pk).update(events_until=stop - OVERLAP)
        return len(missing)

    stretches = Stretches(watch.events_until, now - MARGIN, STRETCH)
    if stretches.at < stretches.end:
        gateway.know_account()
    while monotonic() < deadline and stretches.walk(visit):
        pass
    return fetched


def _missing(start: datetime, stop: datetime) -> list[dict[str, Any]] | None:
    """Newest first, as Stripe lists them; None if there are more than MOST in a stretch that can be shorter."""
    missing: list[dict[str, Any]] = []
    for page in gateway.events_between(start, stop):
        ids = [data["id"] for data in page]
        known = set(Event.objects.filter(id__in=ids).values_list("id", flat=True))
        # Those have their own way in.
        known.update(UnstoredEvent.objects.filter(pk__in=ids).values_list("pk", flat=True))
        missing += [data for data in page if data["id"] not in known]
        if len(missing) > MOST and stop - start > STRETCH:
            return None
    return missing


def _store(data: dict[str, Any]) -> bool:
    """Whether it was taken in; if not it is kept, and only where that fails too this raises."""
    try:
        gateway.store_event(data)
    except Exception as error:
        log.exception("event %s (%s) cannot be taken in, it is kept and tried again", data["id"], data["type"])
        facts = {"type": data["type"][:250], "content": json.dumps(data), "error": _in_short(error)}
        made_at = datetime.fromtimestamp(data["created"], UTC)
        UnstoredEvent.objects.get_or_create(
            pk=data["id"], defaults=facts | {"made_at": made_at, "claimed_until": Now() + FIRST_PAUSE}
        )
        return False
    log.warning("event %s (%s) came by no webhook, it was fetched", data["id"], data["type"])
    return True


def store_kept_event(event_id: str) -> bool:
    """Tries once more to take in an event that was kept; whether it was taken in, also by a webhook meanwhile.

    Raises ProviderUnavailable, if Stripe is asked whose account ours is and does not answer.
    """
    kept = UnstoredEvent.objects.filter(pk=event_id).first()
    if kept is None:
        return True
    gateway.know_account()
    try:
        gateway.store_event(json.loads(kept.content))
    except Exception as error:
        log.exception("event %s (%s) still cannot be taken in", kept.pk, kept.type)
        pause = min(FIRST_PAUSE * 2 ** min(kept.tries, 20), LONGEST_PAUSE)
        UnstoredEvent.objects.filter(pk=kept.pk).update(
            tries=F("tries") + 1, error=_in_short(error), claimed_until=Now() + pause
        )
        return False
    kept.delete()
    return True


def _in_short(error: Exception) -> str:
    """What a text column can hold of it."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:300]
