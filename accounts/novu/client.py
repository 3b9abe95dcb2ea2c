"""The only door to Novu: calls with our time-outs and without retries, and Novu's errors turned into ours.

Each call is one request. What fails is tried again by the outbox, which knows how often: the SDK's own default backs
off for up to an hour. The SDK is imported with the first call, because that takes a second.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
from django.conf import settings

from luxewin.database import release_connection

if TYPE_CHECKING:
    from novu_py import Novu

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10
#: Novu's own bound for one bulk request.
MOST_EVENTS = 100
LONGEST_PAUSE = timedelta(hours=1)
PAGE = 100


class NovuFailed(Exception):
    """Novu did not do what was asked, or its answer was lost: nobody knows whether it did.

    `needs_staff` if only a change of settings, here or there, can help; `pause` is how long Novu asks to be left alone.
    """

    def __init__(self, detail: str, *, needs_staff: bool = False, pause: timedelta = timedelta()) -> None:
        super().__init__(detail)
        self.needs_staff, self.pause = needs_staff, pause


@cache
def _client(key: str, url: str) -> "Novu":
    from novu_py import Novu

    # Redirects are not followed: another host would be handed the key.
    http = httpx.Client(follow_redirects=False, timeout=TIMEOUT_SECONDS)
    milliseconds = TIMEOUT_SECONDS * 1_000
    return Novu(secret_key=key, server_url=url, client=http, retry_config=None, timeout_ms=milliseconds)


@contextmanager
def _calling() -> Iterator["Novu"]:
    """Provide the client; raise NovuFailed for whatever goes wrong."""
    from novu_py.models import NovuError

    release_connection()
    try:
        yield _client(settings.NOVU_SECRET_KEY, settings.NOVU_API_URL)
    except NovuError as error:
        status = error.status_code
        said = " ".join(error.body.split())[:120]
        passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {409, 429}
        # A success that cannot be read was not Novu's.
        needs_staff = not passing and status >= HTTPStatus.BAD_REQUEST
        raise NovuFailed(
            f"Novu answered {status}: {said}", needs_staff=needs_staff, pause=_pause(error.headers.get("Retry-After"))
        ) from error
    except httpx.HTTPError as error:
        raise NovuFailed(f"Novu cannot be reached: {type(error).__name__}: {error}") from error


def _pause(header: str | None) -> timedelta:
    """Return what a Retry-After in seconds asks for, up to LONGEST_PAUSE; nothing for anything else."""
    return min(timedelta(seconds=int(header[:6])), LONGEST_PAUSE) if header and header.isdecimal() else timedelta()


def trigger(events: list[dict[str, Any]], *, salt: str) -> list[dict[str, Any]]:
    """Trigger events, at most MOST_EVENTS, in one request; return `status` and `error` of each, in the same order.

    Each event has its own `transactionId`, which Novu takes once. The idempotency key is of the whole request and of
    `salt`: Novu repeats also an error's answer for a day under the same key, so a further attempt needs another salt.
    Raise NovuFailed. One event is not sent as a bulk request, which costs a hundred times as much of Novu's rate limit.
    """
    body = json.dumps(events, sort_keys=True)
    key = hashlib.sha256(f"{salt}\n{body}".encode()).hexdigest()
    with _calling() as novu:
        if len(events) == 1:
            single = novu.trigger(trigger_event_request_dto=events[0], idempotency_key=key)  # type: ignore[arg-type]
            results = [single.result]
        else:
            results = novu.trigger_bulk(bulk_trigger_event_dto={"events": events}, idempotency_key=key).result  # type: ignore[arg-type]
    if len(results) != len(events):
        raise NovuFailed(f"Novu answered {len(results)} results for {len(events)} events")
    return [{"status": str(each.status.value), "error": " ".join(each.error or [])} for each in results]


def delete_subscriber(subscriber_id: str) -> None:
    """Delete a person's subscriber, also if there is none. Raise NovuFailed."""
    from novu_py.models import NovuError

    with _calling() as novu:
        try:
            novu.subscribers.delete(subscriber_id=subscriber_id)
        except NovuError as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise


def list_workflows() -> dict[str, dict[str, Any]]:
    """Return every workflow's `status` (ACTIVE, INACTIVE or ERROR) and types of `steps`, by id. Raise NovuFailed."""
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while True:
        with _calling() as novu:
            page = novu.workflows.list(request={"limit": PAGE, "offset": offset}).result
        for each in page.workflows:
            steps = [str(step.value) for step in each.step_type_overviews]
            found[each.workflow_id] = {"status": str(each.status.value), "steps": steps}
        offset += PAGE
        if not page.workflows or offset >= page.total_count:
            return found


def create_workflow(workflow: dict[str, Any]) -> None:
    """Create a workflow. Raise NovuFailed, also if there is one of this id."""
    key = hashlib.sha256(json.dumps(workflow, sort_keys=True).encode()).hexdigest()
    with _calling() as novu:
        novu.workflows.create(create_workflow_dto=workflow, idempotency_key=key)  # type: ignore[arg-type]
