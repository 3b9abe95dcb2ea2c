"""Missed webhooks: events that Stripe has and we have not are taken in by the very way of a webhook."""

import logging
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.utils import timezone
from djstripe.models import Event

from purchases import gateway
from purchases.models import StripeWatch
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


def begin_watching() -> StripeWatch:
    """The one row that says how far we have looked; what happened before it was made is left to `reconcile`."""
    now = timezone.now()
    return StripeWatch.objects.get_or_create(pk=1, defaults={"events_until": now, "compared_at": now})[0]


def fetch_missed_events() -> int:
    """Takes in the events that no webhook brought, oldest first; returns how many.

    Several at once do no harm: dj-stripe stores an event, with what its receivers did, once. One that cannot be
    processed is logged and tried again by the next call, and so are all after it. Goes on where it stopped; works for
    BUDGET_SECONDS at most. Raises ProviderUnavailable. Cost with nothing missed: three statements, one request.
    """
    watch = begin_watching()
    now, deadline = timezone.now(), monotonic() + BUDGET_SECONDS
    if watch.events_until < now - KEPT:
        log.error(
            "Stripe has forgotten the events from %s to %s: run `manage.py reconcile --since %s`",
            watch.events_until,
            now - KEPT,
            watch.events_until.date(),
        )
        watch.events_until = now - KEPT
    fetched, whole = 0, True

    def visit(start: datetime, stop: datetime) -> int | None:
        nonlocal fetched, whole
        missing = _missing(start, stop)
        if missing is None:
            return None
        stored = sum(_store(data) for data in reversed(missing))
        fetched += stored
        whole = whole and stored == len(missing)
        if whole and stop - OVERLAP > watch.events_until:
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
        known = set(Event.objects.filter(id__in=[data["id"] for data in page]).values_list("id", flat=True))
        missing += [data for data in page if data["id"] not in known]
        if len(missing) > MOST and stop - start > STRETCH:
            return None
    return missing


def _store(data: dict[str, Any]) -> bool:
    try:
        gateway.store_event(data)
    except Exception:
        log.exception("event %s (%s) cannot be processed, it is tried again", data["id"], data["type"])
        return False
    log.warning("event %s (%s) came by no webhook, it was fetched", data["id"], data["type"])
    return True
