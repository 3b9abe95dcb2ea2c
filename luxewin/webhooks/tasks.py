"""Delivery of events: one task at a time for each endpoint, every attempt counted before it is made."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce, Now
from standardwebhooks.webhooks import Webhook

from accounts.alerts import alert_staff
from accounts.encryption import DecryptionFailed
from luxewin.audit.services import record
from luxewin.clock import database_now
from luxewin.tasks.sweeps import enqueue_due, sweep
from luxewin.webhooks.client import Answer, Client
from luxewin.webhooks.models import Delivery, DeliveryQuerySet, Endpoint, Event
from luxewin.webhooks.services import secrets_of

log = logging.getLogger(__name__)
# How long a task sends to one endpoint before other work gets its turn; and its claim, longer than it can last.
BUDGET_SECONDS = 20
LEASE = timedelta(minutes=2)
# Between the attempts: three days in all, as Standard Webhooks recommends.
PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 21)),
]
# How long an endpoint rests after failures in a row, at most: its other events wait for the same cause.
LONGEST_REST = timedelta(minutes=5)
GONE = 410


@sweep(every=1)
def deliver_events() -> int:
    """Enqueue a task for each endpoint that has something due and is neither busy nor resting."""
    due = Delivery.objects.due().filter(endpoint=OuterRef("pk"))
    endpoints = Endpoint.objects.filter(Exists(due), status=Endpoint.Status.ACTIVE)
    return enqueue_due(endpoints, deliver_to_endpoint, lease=LEASE)


def deliver_to_endpoint(endpoint_id: str) -> None:
    """Send what is due, the longest due first, until nothing is left, something fails, or BUDGET_SECONDS are over.

    A worker killed between sending and recording it sends the same id again when LEASE is over: at least once.
    """
    endpoint = Endpoint.objects.get(pk=endpoint_id)
    deadline = monotonic() + BUDGET_SECONDS
    rest = None
    with Client(endpoint.url) as client:
        while monotonic() < deadline and rest is None:
            delivery = _claim_next(endpoint.pk)
            if delivery is None:
                break
            rest = _attempt(endpoint, delivery, client)
    Endpoint.objects.filter(pk=endpoint.pk).update(claimed_until=rest and Now() + rest)


def _claim_next(endpoint_id: UUID) -> Delivery | None:
    """Return the next delivery, its attempt counted and claimed by a conditional UPDATE; None if none is due."""
    due = Delivery.objects.due().filter(endpoint=endpoint_id, endpoint__status=Endpoint.Status.ACTIVE)
    while (found := due.select_related("event").order_by("due_at", "pk").first()) is not None:
        counted = Delivery.objects.due().filter(pk=found.pk, attempts=found.attempts)
        facts = {"status": Delivery.Status.SENT, "first_attempt_at": Coalesce("first_attempt_at", Now())}
        if counted.update(attempts=F("attempts") + 1, due_at=Now() + LEASE, **facts):
            found.refresh_from_db(fields=["attempts", "first_attempt_at"])
            return found
    return None


def _attempt(endpoint: Endpoint, delivery: Delivery, client: Client) -> timedelta | None:
    """Send it once and record the answer; return how long the endpoint is to rest, None if it took it."""
    # The secrets are read for each, because staff may rotate them meanwhile.
    endpoint.refresh_from_db(fields=["secret", "previous_secret", "previous_until"])
    body = body_of(delivery.event)
    try:
        headers = headers_of(delivery.event, body, secrets_of(endpoint))
    except DecryptionFailed as error:
        # A failure like any other, so that staff are told in the end.
        answer = Answer(None, "", f"its signing secret cannot be read: {error}")
    else:
        answer = client.post(body.encode(), headers)
    rows = Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.SENT, attempts=delivery.attempts)
    said = {"response_status": answer.status, "answer": answer.content.replace("\0", "")[:500]}
    if answer.is_success:
        rows.update(status=Delivery.Status.DELIVERED, delivered_at=Now(), error="", **said)
        Endpoint.objects.filter(pk=endpoint.pk).update(failures=0, last_success_at=Now())
        return None
    said["error"] = answer.error.replace("\0", "")[:200]
    log.warning("event %s was not taken by %s: %s", delivery.event_id, endpoint.pk, said["error"])
    is_last = delivery.attempts > len(PAUSES) or answer.status == GONE
    if is_last:
        _give_up(delivery, rows, said)
    else:
        rows.update(status=Delivery.Status.QUEUED, due_at=Now() + PAUSES[delivery.attempts - 1], **said)
    Endpoint.objects.filter(pk=endpoint.pk).update(failures=F("failures") + 1)
    endpoint.refresh_from_db(fields=["failures"])
    return min(timedelta(seconds=2 ** min(endpoint.failures, 10)), LONGEST_REST)


def _give_up(delivery: Delivery, rows: DeliveryQuerySet, said: Mapping[str, object]) -> None:
    """Give up a delivery, if `rows` still has it; staff are told.

    If its endpoint took nothing since the first attempt, or is gone, it is disabled: what waits for it stays queued.
    """
    with transaction.atomic():
        endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
        first_attempt_at = delivery.first_attempt_at or delivery.event.created_at
        is_dead = said["response_status"] == GONE or (
            endpoint.last_success_at is None or endpoint.last_success_at < first_attempt_at
        )
        if not rows.update(status=Delivery.Status.FAILED, **said):
            return
        disabled = is_dead and endpoint.status == Endpoint.Status.ACTIVE
        if disabled:
            endpoint.status = Endpoint.Status.DISABLED
            endpoint.save(update_fields=["status"])
            after = {"status": endpoint.status, "reason": said["error"]}
            record("webhook_endpoint.disabled", endpoint, before={"status": Endpoint.Status.ACTIVE}, after=after)
        facts = {"endpoint": str(endpoint), "event": delivery.event.type, "disabled": disabled}
        # Sent again and given up again, it is news.
        about = f"{delivery.pk}:{first_attempt_at.timestamp():.0f}"
        alert_staff("webhook_failed", about=about, reason=said["error"], **facts)


def body_of(event: Event) -> str:
    """Return the body, the same at every attempt."""
    facts = {"type": event.type, "timestamp": event.created_at.isoformat(), "data": event.data}
    return json.dumps(facts, separators=(",", ":"))


def headers_of(event: Event, body: str, secrets: list[str]) -> dict[str, str]:
    """Return the headers, with a signature by each of the secrets."""
    now, name = database_now(), f"msg_{event.pk.hex}"
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, now, body) for secret in secrets),
    }
