"""The stand-in's events and webhooks: endpoints registered as at Stripe, deliveries signed and retried."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import aiohttp
from localstripe import resources
from localstripe.resources import DeletedObject, Event, StripeObject, try_convert_to_bool

from dev.services.stripe_standin.api_keys import random_word
from dev.services.stripe_standin.asking import DEFAULT_API_VERSION, asked
from dev.services.stripe_standin.errors import StripeError, unknown_parameter
from dev.services.stripe_standin.faults import EventFaults
from dev.services.stripe_standin.lists import Page, page, shelves

FIRST_DELIVERY_SECONDS = 0.2
RETRY_SECONDS = (0.5, 1, 2, 4, 8, 15, 30)
ANSWER_SECONDS = 10
DELIVERIES_AT_ONCE = 16

logger = logging.getLogger(__name__)


class WebhookEndpoint(StripeObject):
    """Where events go. Its secret is shown once, on creation, as at Stripe."""

    object = "webhook_endpoint"
    _id_prefix = "we_"
    _registered: ClassVar[dict[str, "WebhookEndpoint"]] = {}  # for every event, without a search through all objects

    def __init__(
        self,
        url: str = "",
        enabled_events: list[str] | None = None,
        api_version: str | None = None,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise unknown_parameter(next(iter(unknown)))
        _check(url, enabled_events)
        super().__init__()
        self.url = url
        self.enabled_events = enabled_events or []
        self.api_version = api_version
        self.application = None
        self.description = description
        self.metadata = metadata or {}
        self.status = "enabled"
        self._secret = f"whsec_{random_word(32)}"
        self._registered[self.id] = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._registered[self.id] = self

    def _update(self, disabled: str | None = None, **changes: Any) -> None:
        if unknown := set(changes) - {"url", "enabled_events", "description", "metadata"}:
            raise unknown_parameter(unknown.pop())
        _check(changes.get("url", self.url), changes.get("enabled_events", self.enabled_events))
        if disabled is not None:
            self.status = "disabled" if str(disabled).lower() == "true" else "enabled"
        super()._update(**changes)

    @classmethod
    def _api_delete(cls, id: str) -> DeletedObject:  # noqa: A002 (localstripe's name)
        cls._registered.pop(id, None)
        return super()._api_delete(id)

    @classmethod
    def _create_and_show_secret(cls, **data: Any) -> "_Shown":
        endpoint = cls(**data)
        return _Shown({**endpoint._export(), "secret": endpoint._secret})

    def _wants(self, kind: str) -> bool:
        return self.status == "enabled" and ("*" in self.enabled_events or kind in self.enabled_events)


class _Shown:
    """An answer that is already built."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def _export(self, **_: object) -> dict[str, Any]:
        return self.content


def _check(url: object, enabled_events: object) -> None:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise StripeError(400, "Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    if not isinstance(enabled_events, list) or not enabled_events:
        raise StripeError(400, "Missing required param: enabled_events.", param="enabled_events")


class ToldEvent(Event):
    """localstripe's event with the fields that it lacks."""

    def __init__(self, type: str, data: StripeObject) -> None:  # noqa: A002 (localstripe's name)
        super().__init__(type, data)
        request = asked.get()
        self.api_version = request.api_version if request else DEFAULT_API_VERSION
        self.pending_webhooks = len(endpoints(type))
        self.request = {
            "id": request.request_id if request else None,
            "idempotency_key": request.idempotency_key if request else None,
        }

    @classmethod
    def _api_list_all(
        cls,
        url: str,
        type: str | None = None,  # noqa: A002 (Stripe's parameter)
        types: list[str] | None = None,
        delivery_success: Any = None,
        **paging: Any,
    ) -> Page:
        """List events, newest first, of one type (`*` is a wildcard) or some, and delivered everywhere or not yet."""
        kinds = [type] if type else types
        delivered = try_convert_to_bool(delivery_success)

        def matches(event: Any) -> bool:
            wanted = kinds is None or any(fnmatchcase(event.type, kind) for kind in kinds)
            return wanted and delivered in (None, event.pending_webhooks == 0)

        return page(shelves["event"], url, matches, **paging)


def endpoints(kind: str) -> list[WebhookEndpoint]:
    """List the enabled endpoints that want events of this kind."""
    return [endpoint for endpoint in WebhookEndpoint._registered.values() if endpoint._wants(kind)]


class Deliveries:
    """Deliveries of each event to each endpoint, several at once, retried up to eight times in a minute."""

    def __init__(self, faults: EventFaults) -> None:
        self._faults = faults
        #: Endpoint → deliveries held back until after its next event.
        self._held: dict[str, list[tuple[ToldEvent, dict[str, Any]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    def schedule(self, event: ToldEvent) -> None:
        if not (wanting := endpoints(event.type)):
            return
        fault = self._faults.take(event.type) or self._faults.fields
        if fault["drop"]:
            return
        for endpoint in wanting:
            if fault["reorder"]:
                self._held.setdefault(endpoint.id, []).append((event, fault))
                continue
            first = self._start(event, endpoint.id, fault)
            for held, its_fault in self._held.pop(endpoint.id, ()):
                self._start(held, endpoint.id, its_fault, behind=first)

    def _start(
        self,
        event: ToldEvent,
        endpoint_id: str,
        fault: dict[str, Any],
        behind: Collection[asyncio.Task[None]] = (),
    ) -> list[asyncio.Task[None]]:
        tasks = []
        for _ in range(1 + fault["duplicate"]):
            delivery = self._deliver(event, endpoint_id, FIRST_DELIVERY_SECONDS + fault["delay"], behind)
            tasks.append(asyncio.get_running_loop().create_task(delivery))
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(self._tasks.discard)
        return tasks

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._session:
            await self._session.close()

    async def _deliver(
        self, event: ToldEvent, endpoint_id: str, delay: float, behind: Collection[asyncio.Task[None]]
    ) -> None:
        if behind:
            await asyncio.wait(behind)
        for pause in (delay, *RETRY_SECONDS):
            await asyncio.sleep(pause)
            endpoint = WebhookEndpoint._registered.get(endpoint_id)
            if endpoint is None or not endpoint._wants(event.type):
                return
            async with self._turn:
                if await self._accepted(event, endpoint):
                    event.pending_webhooks = max(0, event.pending_webhooks - 1)
                    return
        logger.warning("webhook %s to %s given up", event.type, endpoint_id)

    async def _accepted(self, event: ToldEvent, endpoint: WebhookEndpoint) -> bool:
        shown = event._export() | {"api_version": endpoint.api_version or event.api_version}
        payload = json.dumps(shown, indent=2).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (stand-in)"}
        headers["Stripe-Signature"] = signature(payload, endpoint._secret, int(time.time()))
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
        try:
            async with self._session.post(endpoint.url, data=payload, headers=headers, allow_redirects=False) as answer:
                if answer.ok:
                    return True
                logger.warning("webhook %s to %s was answered with %d", event.type, endpoint.url, answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("webhook %s to %s failed: %s", event.type, endpoint.url, error)
        return False


def signature(payload: bytes, secret: str, timestamp: int) -> str:
    """Build Stripe's `Stripe-Signature` header, scheme v1."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (timestamp, payload), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def tell(kind: str, data: StripeObject, **previous: Any) -> None:
    """Make an event and deliver it; `previous` are the former values of what changed."""
    event = resources.Event(kind, data)
    if previous:
        event.data = {**event.data, "previous_attributes": previous}
    resources.schedule_webhook(event)


def install(deliveries: Deliveries) -> None:
    """Make localstripe create our events and deliver them our way."""
    resources.Event = ToldEvent
    resources.schedule_webhook = deliveries.schedule
