"""What the e-mail provider says became of mails: `webhooks/mail`."""

import logging
import re
from functools import cache
from http import HTTPStatus
from typing import Any

from anymail.exceptions import AnymailWebhookValidationFailure
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from accounts import services
from accounts.models import BlockedAddress
from luxewin.api.problems import refuse
from luxewin.ids import UUID_PATTERN
from luxewin.mail_providers import PROVIDERS, Provider

log = logging.getLogger(__name__)
MAX_BYTES = 262_144
#: A message's id, and how often it was sent again; a mail carries it as metadata, which the provider gives back.
SENDING = re.compile(rf"({UUID_PATTERN})\.([0-9]{{1,4}})")
#: By the provider's event, as django-anymail names it: whether the mail arrived, or never will.
OUTCOMES = {"delivered": True, "bounced": False, "rejected": False, "failed": False}


# Called by a machine with its own name and password, never with a browser's cookies.
@csrf_exempt
def mail_events(request: HttpRequest) -> HttpResponse:
    """Note what became of mails, for the provider of EMAIL_URL, which shows MAIL_WEBHOOK_SECRET (HTTP Basic).

    An address whose mails bounce for good, or whose owner calls one spam, is blocked. 404 where there is no such
    provider or secret. Other events (opened, delayed) are taken and left.
    """
    provider = PROVIDERS.get(settings.MAIL_PROVIDER)
    if provider is None or not settings.MAIL_WEBHOOK_SECRET:
        return refuse(request, 404, "not_found", "There is nothing at this address.")
    if request.method != "POST":
        return refuse(request, 405, "method_not_allowed", "Events are sent by POST.", headers={"Allow": "POST"})
    view = _view(provider.events, settings.MAIL_WEBHOOK_SECRET)
    try:
        view.run_validators(request)
    except AnymailWebhookValidationFailure:
        log.warning("an event about mails comes without the right name and password")
        return refuse(request, 401, "not_authenticated", "Name or password is wrong.")
    if len(request.body) > MAX_BYTES:
        return refuse(request, 413, "too_large", f"At most {MAX_BYTES} bytes.")
    try:
        events = view.parse_events(request)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return refuse(request, 400, "not_an_event", "The body is no event of the provider.")
    for event in events:
        _note(event, provider)
    return HttpResponse(status=HTTPStatus.OK)


def _note(event: Any, provider: Provider) -> None:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    found = SENDING.fullmatch(str(metadata.get("sending", "")))
    if found is None:
        return
    key, resends = found[1], int(found[2])
    said = " ".join(filter(None, (event.event_type, event.reject_reason, event.description)))
    arrived = OUTCOMES.get(event.event_type)
    if arrived is not None:
        services.note_outcome(key, resends=resends, arrived=arrived, said=said)
    if event.event_type == "complained":
        services.block_recipient(key, resends=resends, because=BlockedAddress.Because.COMPLAINED, said=said)
    elif arrived is False and provider.is_permanent(event.esp_event):
        services.block_recipient(key, resends=resends, because=BlockedAddress.Because.BOUNCED, said=said)


@cache
def _view(path: str, secret: str) -> Any:
    return import_string(path)(webhook_secret=secret)
