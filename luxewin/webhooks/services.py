"""Writing events, managing endpoints and their secrets, and sending again."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.encryption import decrypt, encrypt
from luxewin.api.problems import Problem
from luxewin.audit.services import Actor, record
from luxewin.clock import database_now
from luxewin.ids import uuid7
from luxewin.webhooks.events import EventType
from luxewin.webhooks.models import Delivery, Endpoint

PREFIX = "whsec_"
SECRET_BYTES = 32
# How long an earlier secret signs beside the new one.
OVERLAP = timedelta(days=1)
# Asked first, because planning what follows costs several times as much, and most sites have no endpoint.
IS_WANTED = "SELECT FROM webhooks_endpoint WHERE status <> 'off' AND event_types @> ARRAY[%s::varchar] LIMIT 1"
# One statement, so that no event is without the deliveries that it is for; and nothing is written if it is for none.
EMIT = """
    WITH listening AS (
        SELECT id FROM webhooks_endpoint WHERE status <> 'off' AND event_types @> ARRAY[%(type)s::varchar]
    ), event AS (
        INSERT INTO webhooks_event (id, type, dedupe_key, data)
        SELECT row.id, %(type)s, row.key, row.data
        FROM unnest(%(ids)s::uuid[], %(keys)s::text[], %(data)s::jsonb[]) AS row(id, key, data)
        WHERE EXISTS (SELECT FROM listening)
        ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
    )
    INSERT INTO webhooks_delivery (event_id, endpoint_id, status, attempts)
    SELECT event.id, listening.id, 'queued', 0 FROM event CROSS JOIN listening
"""


class DeliveryUnderWay(Problem):
    """A delivery that is queued or on its way cannot be sent again."""

    status = 409
    code = "delivery_under_way"
    title = "Being sent already"


class EndpointOff(Problem):
    """Nothing is sent to an endpoint that staff switched off."""

    status = 409
    code = "endpoint_off"
    title = "Switched off"


class WrongEndpointStatus(Problem):
    """The endpoint is already as asked."""

    status = 409
    code = "wrong_endpoint_status"
    title = "Nothing to change"


def emit(event_type: EventType, facts: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    """Tell endpoints of events once the caller's transaction commits; never if it rolls back.

    Each fact is a subject, an id, and what `luxewin.webhooks.events` says of this type: one event per type and subject,
    however often it is called. Only endpoints that exist now are told. Cost: one short statement if none wants them,
    else two for all of them.
    """
    rows = [(uuid7(), f"{event_type}:{about}", json.dumps(data, default=str)) for about, data in facts]
    if not rows:
        return
    ids, keys, data = (list(column) for column in zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(IS_WANTED, [event_type.value])
        if cursor.fetchone() is not None:  # a row without columns
            cursor.execute(EMIT, {"type": event_type.value, "ids": ids, "keys": keys, "data": data})


def create_endpoint(*, url: str, description: str, event_types: list[str], actor: Actor) -> Endpoint:
    """Add an endpoint with a secret of its own; events that happen from now on are sent there."""
    endpoint = Endpoint(url=url, description=description, event_types=sorted(set(event_types)))
    endpoint.secret = _new_secret(endpoint)
    with transaction.atomic():
        endpoint.full_clean()
        endpoint.save()
        record("webhook_endpoint.created", endpoint, actor=actor, after=_facts(endpoint))
    return endpoint


def change_endpoint(endpoint_id: UUID, *, url: str, description: str, event_types: list[str], actor: Actor) -> Endpoint:
    """Change where and of what an endpoint is told; what waits goes to the new address."""
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        before = _facts(endpoint)
        endpoint.url, endpoint.description, endpoint.event_types = url, description, sorted(set(event_types))
        endpoint.full_clean()
        endpoint.save(update_fields=["url", "description", "event_types"])
        if (after := _facts(endpoint)) != before:
            record("webhook_endpoint.changed", endpoint, actor=actor, before=before, after=after)
    return endpoint


def rotate_secret(endpoint_id: UUID, *, reason: str, actor: Actor) -> Endpoint:
    """Give the endpoint a new secret; for OVERLAP the one before signs too, then it is forgotten."""
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        endpoint.previous_secret, endpoint.previous_until = endpoint.secret, database_now() + OVERLAP
        endpoint.secret = _new_secret(endpoint)
        endpoint.save(update_fields=["secret", "previous_secret", "previous_until"])
        record("webhook_endpoint.secret_rotated", endpoint, actor=actor, after={"reason": reason})
    return endpoint


def show_secret(endpoint_id: UUID, *, actor: Actor) -> str:
    """Return the newest secret, as receivers enter it; audited."""
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        record("webhook_endpoint.secret_shown", endpoint, actor=actor)
    return secrets_of(endpoint)[0]


def secrets_of(endpoint: Endpoint) -> list[str]:
    """Return the secrets that sign now, the newest first. Raise accounts.encryption.DecryptionFailed."""
    stored = [endpoint.secret]
    if endpoint.previous_until and endpoint.previous_until > database_now():
        stored.append(endpoint.previous_secret)
    return [PREFIX + b64encode(decrypt(each, owner=_owner(endpoint))).decode() for each in stored]


def enable_endpoint(endpoint_id: UUID, *, reason: str, actor: Actor) -> Endpoint:
    """Send to the endpoint again, what waited included. Raise WrongEndpointStatus if it is active."""
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        if endpoint.status == Endpoint.Status.ACTIVE:
            raise WrongEndpointStatus("It is active already.")
        before, endpoint.status = endpoint.status, Endpoint.Status.ACTIVE
        endpoint.failures, endpoint.claimed_until = 0, None
        endpoint.save(update_fields=["status", "failures", "claimed_until"])
        # With all attempts left: the three days were the endpoint's fault.
        Delivery.objects.filter(endpoint=endpoint, status__in=Delivery.OPEN).update(
            attempts=0, first_attempt_at=None, due_at=Now()
        )
        after = {"status": endpoint.status, "reason": reason}
        record("webhook_endpoint.enabled", endpoint, actor=actor, before={"status": before}, after=after)
    return endpoint


def switch_off_endpoint(endpoint_id: UUID, *, reason: str, actor: Actor) -> Endpoint:
    """Send nothing to the endpoint any more, what waits included. Raise WrongEndpointStatus if it is off."""
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        if endpoint.status == Endpoint.Status.OFF:
            raise WrongEndpointStatus("It is switched off already.")
        before, endpoint.status = endpoint.status, Endpoint.Status.OFF
        endpoint.save(update_fields=["status"])
        waiting = Delivery.objects.filter(endpoint=endpoint, status__in=Delivery.OPEN)
        after = {"status": endpoint.status, "reason": reason, "not_sent": waiting.count()}
        waiting.update(status=Delivery.Status.SUPPRESSED)
        record("webhook_endpoint.switched_off", endpoint, actor=actor, before={"status": before}, after=after)
    return endpoint


def replay(delivery_id: int, *, reason: str, actor: Actor) -> Delivery:
    """Send an event to an endpoint again, under its id, with all attempts left.

    Raise DeliveryUnderWay while it is queued or on its way, EndpointOff if nothing is sent there.
    """
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update(of=("self",), no_key=True).select_related("endpoint", "event")
        found = delivery.get(pk=delivery_id)
        if found.status in Delivery.OPEN:
            raise DeliveryUnderWay("It is being sent already.")
        if found.endpoint.status == Endpoint.Status.OFF:
            raise EndpointOff("Its endpoint is switched off.")
        before, found.status = found.status, Delivery.Status.QUEUED
        found.attempts, found.first_attempt_at, found.due_at = 0, None, Now()
        found.save(update_fields=["status", "attempts", "first_attempt_at", "due_at"])
        after = {"event": str(found.event_id), "type": found.event.type, "reason": reason}
        record("webhook_delivery.replayed", found, actor=actor, before={"status": before}, after=after)
    return found


def _locked(endpoint_id: UUID) -> Endpoint:
    return Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)


def _new_secret(endpoint: Endpoint) -> str:
    return encrypt(os.urandom(SECRET_BYTES), owner=_owner(endpoint))


def _owner(endpoint: Endpoint) -> str:
    return f"webhooks.endpoint:{endpoint.pk}"


def _facts(endpoint: Endpoint) -> dict[str, Any]:
    return {"url": endpoint.url, "description": endpoint.description, "event_types": endpoint.event_types}
