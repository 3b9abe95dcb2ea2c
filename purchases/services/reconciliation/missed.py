"""Missed webhooks: events that Stripe has and we do not are stored exactly as a webhook would store them."""

import json
import logging
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from django.db.models import Count, F, Min
from django.db.models.functions import Now
from djstripe.models import Event, WebhookEventTrigger

from accounts.alerts import alert_finance
from luxewin.clock import database_now
from purchases import gateway
from purchases.models import SetAsideEvent, StripeWatch, UnstoredEvent
from purchases.services.reconciliation.stretches import Stretches
from purchases.services.set_aside import set_event_aside

log = logging.getLogger(__name__)
# The newest events are left to their webhooks.
MARGIN = timedelta(seconds=10)
# Read again each time, for events that Stripe lists late and for clocks that differ.
OVERLAP = timedelta(seconds=60)
# Longer than what is read when there is nothing new, so that this takes one request.
STRETCH = timedelta(minutes=2)
# How long Stripe keeps events.
KEPT = timedelta(days=30)
BUDGET_SECONDS = 40
# More events than this are not kept in memory.
MOST = 5_000
# Webhooks are silent when so many events had to be fetched, the first of them so long ago, and none came since.
UNHEARD, SILENT = 3, timedelta(minutes=10)
# Until an event that could not be stored is tried again; doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)


def begin_watching() -> StripeWatch:
    """Return the one row that says how far we have looked, made if missing; `reconcile` covers the time before."""
    now = database_now()
    return StripeWatch.objects.get_or_create(pk=1, defaults={"events_until": now, "compared_at": now})[0]


def fetch_missed_events() -> int:
    """Store the events that no webhook brought, oldest first; return how many.

    Safe to run concurrently: dj-stripe stores an event, with what its receivers did, once. An event that cannot be
    stored is kept as an UnstoredEvent, which a sweep tries again, and the others go on. Continues where it stopped;
    runs for BUDGET_SECONDS at most. Raises ProviderUnavailable. Cost with nothing missed: three statements, one
    request.
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
    if fetched:
        _tell_of_silence()
    return fetched


def _tell_of_silence() -> None:
    """Alert finance, once for each silence, if no webhook came for SILENT while several events had to be fetched."""
    last = WebhookEventTrigger.objects.order_by("-id").first()
    # The last webhook's own event is stored after it.
    unheard = (
        Event.objects.filter(djstripe_created__gt=last.created).exclude(id=last.event_id) if last else Event.objects
    )
    told = unheard.aggregate(count=Count("pk"), first=Min("djstripe_created"))
    if told["count"] >= UNHEARD and told["first"] <= database_now() - SILENT:
        since = last and last.created.isoformat()
        alert_finance("webhooks_silent", about=last.pk if last else "ever", last=since, count=told["count"])


def _missing(start: datetime, stop: datetime) -> list[dict[str, Any]] | None:
    """Return the missing events, newest first; None if there are more than MOST and the stretch can be shorter."""
    missing: list[dict[str, Any]] = []
    for page in gateway.events_between(start, stop):
        ids = [data["id"] for data in page]
        known = set(Event.objects.filter(id__in=ids).values_list("id", flat=True))
        # The first are tried again by `store_kept_event`, the others have no effect.
        for kept in (UnstoredEvent, SetAsideEvent):
            known.update(kept.objects.filter(pk__in=ids).values_list("pk", flat=True))
        missing += [data for data in page if data["id"] not in known]
        if len(missing) > MOST and stop - start > STRETCH:
            return None
    return missing


def _store(data: dict[str, Any]) -> bool:
    """Store an event and return whether that worked; if not, keep it. Raises only if it cannot be kept either.

    One that the webhook would set aside is set aside here too.
    """
    if not gateway.is_handled(data):
        set_event_aside(data)
        return False
    data = gateway.storable_event(data)
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
    """Try again to store a kept event; return whether it is stored, also if by a webhook meanwhile.

    Raises ProviderUnavailable, if Stripe is asked which account is ours and does not answer.
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
    """Return the error as text that fits its column."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:300]
