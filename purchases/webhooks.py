"""The door through which Stripe calls: a guard, then dj-stripe's own endpoint."""

import json
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from djstripe.views import ProcessWebhookView

from luxewin.api.problems import CONTENT_TYPE, document
from luxewin.api.requests import client_address

MAX_BYTES = 262_144
NOT_JSON = "The body is not a JSON object without NUL characters."


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(ProcessWebhookView):
    """Anyone can call this address. What cannot be an event is refused before dj-stripe stores or parses it."""

    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """400 for what is no JSON object with a signature, 413 for what is too large; dj-stripe's answer otherwise."""
        if request.method != "POST":
            return _refuse(405, "method_not_allowed", "Only POST.")
        try:
            too_large = int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES or len(request.body) > MAX_BYTES
        except (RequestDataTooBig, ValueError):
            too_large = True
        if too_large:
            return _refuse(413, "too_large", f"At most {MAX_BYTES} bytes.")
        if "stripe-signature" not in request.headers:
            return _refuse(400, "not_signed", "The Stripe-Signature header is missing.")
        if not _is_event(request.body):
            return _refuse(400, "not_an_event", NOT_JSON)
        # dj-stripe stores the leftmost X-Forwarded-For unchecked; ours is the address that the proxies vouch for.
        request.META["REMOTE_ADDR"] = client_address(request)
        request.META.pop("HTTP_X_FORWARDED_FOR", None)
        return super().dispatch(request, *args, **kwargs)


def _is_event(body: bytes) -> bool:
    if b"\x00" in body or b"\\u0000" in body:
        return False
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    shape = {"id": str, "type": str, "data": dict, "livemode": bool}
    return isinstance(event, dict) and all(isinstance(event.get(name), kind) for name, kind in shape.items())


def _refuse(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(
        document(status, code, HTTPStatus(status).phrase, detail), status=status, content_type=CONTENT_TYPE
    )
