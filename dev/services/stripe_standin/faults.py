"""Faults on demand, for tests, in the next requests and events."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from aiohttp import web
from localstripe.errors import UserError

from dev.services.stripe_standin.errors import StripeError, refusal, unknown_parameter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DELAY = "delay"  # a request's remaining delay, kept with it
ERROR_CODES = {409: "lock_timeout", 429: "rate_limit"}


class Orders:
    """Ordered faults that wait for a matching request or event, oldest first.

    POST orders one (JSON; an unknown field is refused) and answers it, GET lists what is left, DELETE removes all.
    """

    pattern: ClassVar[str]
    fields: ClassVar[dict[str, Any]]

    def __init__(self) -> None:
        self._left: list[dict[str, Any]] = []

    async def order(self, request: web.Request) -> web.Response:
        given = json.loads(await request.read())
        if unknown := set(given) - {self.pattern, *self.fields}:
            raise unknown_parameter(unknown.pop())
        fault = {**self.fields, **given}
        try:
            re.compile(fault[self.pattern])
        except (KeyError, TypeError, re.error) as error:
            raise StripeError(400, f"{self.pattern} must be a regular expression", param=self.pattern) from error
        self._left.append(fault)
        return web.json_response(fault)

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self._left})

    async def forget(self, _: web.Request) -> web.Response:
        self._left.clear()
        return web.json_response({})

    def take(self, text: str, method: str | None = None) -> dict[str, Any] | None:
        """Take one use of the first fault for this path or type (and method)."""
        for fault in self._left:
            if re.search(fault[self.pattern], text) and fault.get("method") in (None, method):
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self._left.remove(fault)
                return fault
        return None


class KeptAnswers(Protocol):
    """A store of the answers for idempotency keys."""

    async def replace(self, request: web.Request, response: web.Response) -> None: ...


class RequestFaults(Orders):
    """`/_config/faults`: `{path, method, times, delay, lose, status, after, keep}`, all but `path` optional.

    It hits the next `times` (1) requests whose path matches the regular expression `path` (and whose method is
    `method`, if given), repeats under the same idempotency key included:
    - `delay`: the answer is that many seconds late. Until then the key of a request that is carried out is in use.
    - `lose`: the request is carried out, and the connection is cut instead of the answer.
    - `status`: the answer is this HTTP status with an error of Stripe's form, and nothing is carried out; with
      `after`, the request is carried out first and its true answer is withheld.
    - `keep`: the answer with `status` is kept for the idempotency key, as Stripe keeps its own 500s once the work has
      begun: each repeat gets it again. Without `keep` the fault was on the way: a repeat is carried out, or, with
      `after`, gets the true answer.
    """

    pattern = "path"
    fields: ClassVar[dict[str, Any]] = {
        "method": None,
        "times": 1,
        "delay": 0,
        "lose": False,
        "status": None,
        "after": False,
        "keep": False,
    }

    def around(self, kept: KeptAnswers) -> Any:
        """Return the middleware outside of the idempotency keys, so that it hits repeats too."""

        @web.middleware
        async def disturb(request: web.Request, handler: Handler) -> web.StreamResponse:
            own = request.path.startswith("/_config/")
            if own or not (fault := self.take(request.path, request.method)):
                return await handler(request)
            request[DELAY] = fault["delay"]
            response = None
            if fault["after"] or not fault["status"]:
                response = await _carried_out(request, handler)
            await _wait(request)
            if fault["lose"] and request.transport:
                request.transport.abort()
            if response is None or fault["status"]:
                response = _trouble(fault["status"])
                if fault["keep"]:
                    await kept.replace(request, response)
            return response

        return disturb

    @staticmethod
    @web.middleware
    async def within(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Delay inside of the idempotency keys, as middleware: while the answer is late, its key is in use."""
        try:
            return await handler(request)
        finally:
            await _wait(request)


class EventFaults(Orders):
    """`/_config/event_faults`: `{type, times, duplicate, delay, drop, reorder}`, all but `type` optional.

    Of the next `times` (1) events that an endpoint wants and whose type matches the regular expression `type`:
    - `duplicate`: each is delivered that many times more;
    - `delay`: each is delivered that many seconds later;
    - `drop`: none is ever delivered; `GET /v1/events` lists it all the same;
    - `reorder`: each is held back until the next event for the same endpoint has been delivered.
    """

    pattern = "type"
    fields: ClassVar[dict[str, Any]] = {"times": 1, "duplicate": 0, "delay": 0, "drop": False, "reorder": False}


async def _carried_out(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UserError as error:
        return refusal(error)


async def _wait(request: web.Request) -> None:
    """Wait once per request, at the first call."""
    await asyncio.sleep(request.pop(DELAY, 0))


def _trouble(status: int) -> web.Response:
    kind = "api_error" if status >= web.HTTPInternalServerError.status_code else "invalid_request_error"
    return StripeError(status, "This was ordered as a fault.", kind=kind, code=ERROR_CODES.get(status)).to_response()
