"""Middlewares of every request to the Stripe stand-in: form of the answer, API key, idempotency."""

import base64
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from localstripe.errors import UserError
from localstripe.server import get_post_data, unflatten_data

from dev.services.stripe_standin.api_keys import random_word
from dev.services.stripe_standin.asking import DEFAULT_API_VERSION, Asked, asked
from dev.services.stripe_standin.errors import StripeError, refusal
from dev.services.stripe_standin.intents import Intent
from dev.services.stripe_standin.memory import REMEMBER_SECONDS, Memory

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPEN = ("/_config/", "/js.stripe.com/")
INTENT = re.compile(r"^/v1/payment_intents/(?P<id>pi_\w+)(?P<action>/confirm|/_authenticate|)$")
# What a browser or a phone may call with the publishable key, besides intents whose secret it has.
FOR_CLIENTS = {("POST", "/v1/payment_methods"), ("POST", "/v1/tokens"), ("POST", "/v1/sources")}
# Answers with these are not kept for the key: Stripe had not begun to process the request.
NOT_KEPT = {400, 401, 404, 409, 429}

logger = logging.getLogger(__name__)


@web.middleware
async def form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id and turn refusals into Stripe's errors."""
    request_id = f"req_{random_word(14)}"
    version = request.headers.get("Stripe-Version", DEFAULT_API_VERSION)
    asked.set(Asked(request_id, request.headers.get("Idempotency-Key"), version))
    try:
        response = await handler(request)
    except UserError as error:
        response = refusal(error)
    except web.HTTPNotFound:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        response = StripeError(404, message).to_response()
    except web.HTTPException as error:
        response = StripeError(error.status, error.reason).to_response()
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        response = StripeError(500, "An unknown error occurred", kind="api_error").to_response()
    response.headers.setdefault("Request-Id", request_id)
    return response


def keys(secret: str, publishable: str) -> Any:
    """Return the middleware that allows the secret key everything and the publishable key what buyers' devices do."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(OPEN) or request.method == "OPTIONS":
            return await handler(request)
        data = await get_post_data(request, remove_auth=False) if request.can_read_body else None
        data = {**unflatten_data(request.query), **(data or {})}
        key = _key(request) or data.get("key")
        if key == secret:
            return await handler(request)
        if key != publishable:
            raise StripeError(401, "Invalid API Key provided" if key else "You did not provide an API key.")
        if (request.method, request.path) in FOR_CLIENTS:
            return await handler(request)
        if not (path := INTENT.match(request.path)):
            raise StripeError(
                403, "This API call cannot be made with a publishable API key.", code="secret_key_required"
            )
        intent = Intent._api_retrieve(path["id"])  # noqa: SLF001 (localstripe's interface)
        if data.get("client_secret") != intent.client_secret:
            message = "The client_secret provided does not match the client_secret associated with this PaymentIntent."
            raise StripeError(400, message, code="payment_intent_invalid_parameter", param="client_secret")
        response = await handler(request)
        if response.status == web.HTTPOk.status_code:
            return web.json_response(intent._for_client())  # noqa: SLF001
        return response

    return check


def _key(request: web.Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return None
    return value.strip() or None


class Idempotency:
    """Stripe's idempotency keys: the same request gets the first answer again, another one is refused."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._under_way: set[str] = set()

    def middleware(self) -> Any:
        @web.middleware
        async def once(request: web.Request, handler: Handler) -> web.StreamResponse:
            key = request.headers.get("Idempotency-Key")
            if request.method != "POST" or not key or request.path.startswith(OPEN):
                return await handler(request)
            return await self._once(key, request, handler)

        return once

    async def _once(self, key: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        fingerprint = await _fingerprint(request)
        kept = self._memory.answers.get(key)
        if kept and kept["at"] > time.time() - REMEMBER_SECONDS:
            return self._again(key, kept, fingerprint)
        if key in self._under_way:
            message = f"There is currently another in-progress request using this Idempotent Key ({key})."
            raise StripeError(409, message, code="idempotency_key_in_use")
        self._under_way.add(key)
        try:
            response = await self._carry_out(request, handler)
        finally:
            self._under_way.discard(key)
        if isinstance(response, web.Response) and response.status not in NOT_KEPT:
            self._keep(key, fingerprint, response)
        return response

    async def replace(self, request: web.Request, response: web.Response) -> None:
        """Keep this answer for the request's key, in place of any earlier one."""
        if key := request.headers.get("Idempotency-Key"):
            self._keep(key, await _fingerprint(request), response)

    def _keep(self, key: str, fingerprint: str, response: web.Response) -> None:
        asking = asked.get()
        facts = {"at": time.time(), "request": fingerprint, "status": response.status, "body": response.body}
        self._memory.keep_answer(key, facts | {"request_id": asking.request_id if asking else ""})

    async def _carry_out(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the answer, even a refusal: a declined card stays declined for its key."""
        try:
            return await handler(request)
        except UserError as error:
            return refusal(error)

    def _again(self, key: str, kept: dict[str, Any], fingerprint: str) -> web.Response:
        if kept["request"] != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise StripeError(400, message, kind="idempotency_error")
        headers = {"Idempotent-Replayed": "true", "Request-Id": kept["request_id"]}
        return web.Response(body=kept["body"], status=kept["status"], content_type="application/json", headers=headers)


async def _fingerprint(request: web.Request) -> str:
    return hashlib.sha256(f"{request.path}\n".encode() + await request.read()).hexdigest()
