"""The door through which Stripe calls: a guard, then dj-stripe's own endpoint."""

import json
import logging
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from djstripe.views import ProcessWebhookView

from luxewin.api.problems import CONTENT_TYPE, document
from luxewin.api.requests import client_address
from purchases import gateway

log = logging.getLogger(__name__)
MAX_BYTES = 262_144
NO_EVENT = "The body is no event: a JSON object without NUL characters, and of our mode, live or test."


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(ProcessWebhookView):
    """Anyone can call this address. What cannot be an event is refused before dj-stripe stores or parses it."""

    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """400 for what is no event signed by Stripe, 404, 405 or 413; dj-stripe's answer otherwise."""
        if request.method != "POST":
            return _refuse(405, "method_not_allowed", "Only POST.", Allow="POST")
        try:
            too_large = int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES or len(request.body) > MAX_BYTES
        except (RequestDataTooBig, ValueError):
            too_large = True
        if too_large:
            return _refuse(413, "too_large", f"At most {MAX_BYTES} bytes.")
        if "stripe-signature" not in request.headers:
            return _refuse(400, "not_signed", "The Stripe-Signature header is missing.")
        if not _is_event(request.body):
            return _refuse(400, "not_an_event", NO_EVENT)
        # dj-stripe stores a row before it looks at the signature, and fails on one that is not ASCII.
        signed = gateway.is_signed(request.body, request.headers["Stripe-Signature"], UUID(kwargs["uuid"]))
        if signed is None:
            raise Http404
        if not signed:
            log.warning("a webhook from %s does not carry Stripe's signature", client_address(request))
            return _refuse(400, "wrong_signature", "The signature does not match, or is too old.")
        # dj-stripe stores the leftmost X-Forwarded-For unchecked; ours is the address that the proxies vouch for.
        request.META["REMOTE_ADDR"] = client_address(request)
        request.META.pop("HTTP_X_FORWARDED_FOR", None)
        # Whoever read the headers before this line had Django keep them.
        vars(request).pop("headers", None)
        return super().dispatch(request, *args, **kwargs)


def _is_event(body: bytes) -> bool:
    if b"\x00" in body or b"\\u0000" in body:
        return False
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    shape = {"id": str, "type": str, "data": dict, "livemode": bool}
    if not isinstance(event, dict) or not all(isinstance(event.get(name), kind) for name, kind in shape.items()):
        return False
    return event["livemode"] == settings.STRIPE_LIVE_MODE


def _refuse(status: int, code: str, detail: str, **headers: str) -> JsonResponse:
    body = document(status, code, HTTPStatus(status).phrase, detail)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)
