"""The webhook endpoint that Stripe calls: a guard, then dj-stripe's own view."""

import json
import logging
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from djstripe.views import ProcessWebhookView

from luxewin.api.problems import CONTENT_TYPE, document
from luxewin.api.requests import ASKED_FIRST, client_address
from purchases import gateway, services

log = logging.getLogger(__name__)
MAX_BYTES = 262_144
# As Stripe sends it: a time, and a signature for each valid secret.
SIGNATURE = re.compile(r"(?=.*\bt=\d)(?=.*\bv1=[0-9a-f])[\x20-\x7e]{1,2000}")
NO_EVENT = "The body is no event: a JSON object, and of our mode, live or test."


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(ProcessWebhookView):
    """The webhook, which anyone can call: what cannot be an event is refused before dj-stripe stores or parses it.

    A Stripe event that we did not ask for is acknowledged and set aside: dj-stripe may fail on it, and Stripe would
    resend it for days and then disable the endpoint.
    """

    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 400 unless it is an event signed by Stripe, 404, 405 or 413; else as dj-stripe does.

        The server asks first with the head alone (ASKED_FIRST): if that is refused, the body is not read.
        """
        if (refusal := _refusal_of_head(request, UUID(kwargs["uuid"]))) is not None:
            return refusal
        if ASKED_FIRST in request.META:
            return HttpResponse(status=HTTPStatus.CONTINUE)
        event = _event(request.body)
        if event is None:
            return _too_large() if len(request.body) > MAX_BYTES else _refuse(400, "not_an_event", NO_EVENT)
        # dj-stripe stores a row before it checks the signature, and fails on one that is not ASCII.
        if not gateway.is_signed(request.body, request.headers["Stripe-Signature"], UUID(kwargs["uuid"])):
            log.warning("a webhook from %s does not carry Stripe's signature", client_address(request))
            return _refuse(400, "wrong_signature", "The signature does not match, or is too old.")
        if _is_thin(event) or not gateway.is_handled(event):
            services.set_event_aside(event)
            return HttpResponse()
        # dj-stripe stores the leftmost X-Forwarded-For unchecked; ours is the address that the proxies vouch for.
        request.META["REMOTE_ADDR"] = client_address(request)
        request.META.pop("HTTP_X_FORWARDED_FOR", None)
        # Drop the headers that Django cached when they were read above.
        vars(request).pop("headers", None)
        return super().dispatch(request, *args, **kwargs)


def _refusal_of_head(request: HttpRequest, endpoint: UUID) -> HttpResponse | None:
    """Return the refusal that the head alone calls for, if any. Raises Http404. Cost: one query at most."""
    if request.method != "POST":
        return _refuse(405, "method_not_allowed", "Only POST.", Allow="POST")
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return _too_large()
    if length > MAX_BYTES:
        return _too_large()
    signature = request.headers.get("Stripe-Signature", "")
    if not signature:
        return _refuse(400, "not_signed", "The Stripe-Signature header is missing.")
    if not SIGNATURE.fullmatch(signature):
        return _refuse(400, "wrong_signature", "The Stripe-Signature header is none of Stripe's.")
    if not gateway.is_our_endpoint(endpoint):
        raise Http404
    return None


def _too_large() -> JsonResponse:
    return _refuse(413, "too_large", f"At most {MAX_BYTES} bytes.")


def _event(body: bytes) -> dict[str, Any] | None:
    """Return the event in a body: of Stripe's v1 API with its object, or a thin one of v2 with a reference."""
    if len(body) > MAX_BYTES:
        return None
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    shape: dict[str, type] = {"id": str, "type": str}
    if not _is_thin(event):
        shape |= {"data": dict, "livemode": bool}
    if not all(isinstance(event.get(name), kind) for name, kind in shape.items()):
        return None
    # Endpoints of platforms also get test-mode events of other accounts.
    is_of_our_mode = event.get("livemode") == settings.STRIPE_LIVE_MODE or _is_thin(event) or event.get("account")
    return event if is_of_our_mode else None


def _is_thin(event: dict[str, Any]) -> bool:
    return str(event.get("object", "")).startswith("v2.")


def _refuse(status: int, code: str, detail: str, **headers: str) -> JsonResponse:
    body = document(status, code, HTTPStatus(status).phrase, detail)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)
