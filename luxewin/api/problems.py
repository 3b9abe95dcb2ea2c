"""Problem details (RFC 9457): every error of the API has one shape, and names every fault."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar

from babel.dates import format_datetime
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.template.loader import render_to_string
from django.urls import is_valid_path
from django.utils.encoding import iri_to_uri
from django.utils.http import escape_leading_slashes
from django.utils.translation import get_language_from_request, ngettext
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from luxewin.api.problem_words import translated
from luxewin.api.requests import current_request
from luxewin.database import LOCKED, Outage, discard_connections, outage
from luxewin.staging import banner

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="api"'
TYPE_PREFIX = "urn:luxewin:problem:"


class Problem(Exception):
    """A refusal by a business rule.

    Subclasses define `status`, `code` and `title`. The message is the detail for a person; keyword arguments are data
    for the client (numbers, ids), placed beside the standard members.
    """

    status: ClassVar[int] = 409
    code: ClassVar[str]
    title: ClassVar[str]
    retry_after: int | None = None
    #: What a document has beside the standard members, each with its JSON schema.
    members: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, detail: str, **data: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.data = data


class InvalidInput(Problem):
    """Input that breaks a rule beyond its serializer; names each fault by field."""

    status = 400
    code = "invalid"
    title = "Invalid input"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(summary_of(errors), errors=errors)

    @classmethod
    def of(cls, field: str, code: str, detail: str) -> "InvalidInput":
        """Return a refusal with one fault in one field."""
        return cls([{"field": field, "code": code, "detail": detail}])


class Unavailable(Problem):
    """An outside party that this request needs does not answer (503)."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    retry_after = 5

    def __init__(self, detail: str, *, retry_after: int | None = None, **data: Any) -> None:
        super().__init__(detail, **data)
        self.retry_after = retry_after or self.retry_after


class Busy(Unavailable):
    """A row to change could not be locked in time; nothing was written."""

    code = "busy"
    title = "Busy"
    retry_after = 1


def moment(at: datetime) -> str:
    """Return a time as people read it in the text of a Problem: `1 December 2026, 01:20 UTC`."""
    return f"{format_datetime(at, 'd MMMM y, HH:mm', tzinfo=UTC, locale='en')} UTC"


def document(status: int, code: str, title: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return the problem document as a dict; its `request_id` lets support find the log lines."""
    members = {"type": TYPE_PREFIX + code, "title": title, "status": status, "detail": detail, "code": code}
    return members | extra | {"request_id": current_request().request_id}


def summary_of(faults: list[dict[str, str]]) -> str:
    """What to do about faults as `flatten` gives them: `Please correct 2 fields.`"""
    count = len({fault["field"] for fault in faults if fault["field"]})
    if not count:
        return "Please correct your input."
    return ngettext("Please correct %d field.", "Please correct %d fields.", count) % count


def flatten(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Return all faults of a DRF error detail as `{field, code, detail}`, nested fields joined by dots.

    List items are named by position; DRF 3.18 gives errors of `many=True` as dicts keyed by position as well.
    """
    if isinstance(detail, dict):
        return [fault for key, value in detail.items() for fault in flatten(value, _join(path, key))]
    if isinstance(detail, list):
        faults = []
        for position, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            faults += flatten(value, _join(path, position) if nested else path)
        return faults
    return [{"field": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


def _join(path: str, key: Any) -> str:
    if key == "non_field_errors":
        return path
    return f"{path}.{key}" if path else str(key)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Make a problem document of any known error, as DRF's exception handler; the rest becomes Django's 500."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif found := outage(error):
        error = _unavailable(error, found)
    if isinstance(error, Problem):
        body = document(error.status, error.code, error.title, error.detail, **error.data)
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = CHALLENGE
    elif isinstance(error, exceptions.APIException):
        body, headers = _of_api_exception(error)
    elif isinstance(error, SuspiciousOperation):
        # Anybody can send these, and Django would log a traceback each time.
        body, headers = _of_malformed(error), {}
    else:
        return None
    set_rollback()
    body, said_in = _in_readers_language(context["request"], body)
    return Response(body, status=body["status"], headers=headers | said_in, content_type=CONTENT_TYPE)


def _in_readers_language(request: Any, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the document as its reader's `Accept-Language` asks, and the headers that say so.

    The refusals of anonymous public reads are in English: no header of a client gets into what is made for all.
    """
    language = get_language_from_request(request)
    return translated(body, language), {"Content-Language": language, "Vary": "Accept-Language"}


def _of_api_exception(error: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    status = error.status_code
    title = HTTPStatus(status).phrase
    if isinstance(error, exceptions.ValidationError):
        faults = flatten(error.detail)
        return document(status, "invalid", "Invalid input", summary_of(faults), errors=faults), headers
    detail = error.detail
    if isinstance(detail, dict):  # simplejwt: {"detail", "code", "messages"}
        return document(status, str(detail.get("code", "error")), title, str(detail.get("detail", title))), headers
    text = "Please sign in." if isinstance(error, exceptions.NotAuthenticated) else str(detail)
    return document(status, str(getattr(detail, "code", "error")), title, text), headers


def _unavailable(error: Exception, found: Outage) -> Unavailable:
    """Return the refusal for this state of the database; the log has the reason."""
    log.error("the database cannot serve a request", exc_info=error)
    discard_connections(found)
    kind = Busy if found is LOCKED else Unavailable
    return kind(found.detail, retry_after=found.retry_after)


def refuse(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    title: str = "",
    headers: dict[str, str] | None = None,
    onward: tuple[str, str] | None = None,
) -> HttpResponse:
    """Return a page if a browser asks outside the API, else a problem document.

    `title` is the status's phrase if empty. `onward` is the page's link, as (address, words); the default is the page
    of a submitted form, else the first page of the back office or of the site. Cost: no query and no session, so that
    it works whatever is broken.
    """
    body = document(status, code, title or HTTPStatus(status).phrase, detail)
    return _refusal(request, body, headers=headers, onward=onward)


def _refusal(
    request: HttpRequest,
    body: dict[str, Any],
    *,
    headers: dict[str, str] | None = None,
    onward: tuple[str, str] | None = None,
) -> HttpResponse:
    if not wants_page(request):
        body, said_in = _in_readers_language(request, body)
        return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE, headers=said_in | (headers or {}))
    address, words = onward or _onward(request)
    # Without the request, because no context processor may use the session or the database now.
    context = body | banner(request) | {"support": settings.SUPPORT_EMAIL, "address": address, "words": words}
    return HttpResponse(render_to_string("error.html", context), status=body["status"], headers=headers)


def wants_page(request: HttpRequest) -> bool:
    """Whether the response should be a page: a browser asks, and not for the API or one of its neighbours."""
    if request.path.startswith(("/api/", "/health/", "/.well-known/")):
        return False
    # The first of equally preferred types; a client that accepts anything is no browser.
    return request.get_preferred_type([CONTENT_TYPE, "application/json", "text/html"]) == "text/html"


def _onward(request: HttpRequest) -> tuple[str, str]:
    if request.method == "POST":
        return request.get_full_path(), "Back to the form"
    if request.path.startswith("/admin/"):
        return "/admin/", "Back office"
    return settings.FRONTEND_URL or "/", "LuxeWin"


def _of_malformed(error: Exception) -> dict[str, Any]:
    if isinstance(error, RequestDataTooBig):
        detail = f"The request is too large: at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."
        return document(413, "too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase, detail)
    return document(400, "bad_request", HTTPStatus.BAD_REQUEST.phrase, "The request is malformed.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer as Django's handler400: a request that no view could read, or a session that could not be stored."""
    if found := outage(exception):
        return _try_later(request, _unavailable(exception, found))
    return _refusal(request, _of_malformed(exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer as Django's handler403: a back-office page that this person's roles do not allow."""
    return refuse(request, 403, "permission_denied", "Your account cannot open this page or do this.")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer as Django's CSRF_FAILURE_VIEW: say what the browser did not send, and link back to the form."""
    if reason == REASON_NO_CSRF_COOKIE:
        detail = (
            "Your browser did not send the cookie that protects this form. "
            "Allow cookies for this site, open the page again and send the form once more. Nothing was changed."
        )
    else:
        detail = (
            "This form is out of date: it was open for too long, somebody signed in or out since, or it came from "
            "another site. Open the page again and send it once more. Nothing was changed."
        )
    title = "The form could not be checked"
    back = (request.get_full_path(), "Open the page again")
    return refuse(request, 403, "csrf_failed", detail, title=title, onward=back)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer as Django's handler404. If only a page's final slash is missing, redirect to the page."""
    path = request.path.rstrip("/")
    is_page = path and path != request.path and not path.startswith(("/api", "/admin", "/health"))
    if is_page and request.method in {"GET", "HEAD"} and is_valid_path(path):
        query = request.META.get("QUERY_STRING", "")
        return HttpResponsePermanentRedirect(escape_leading_slashes(iri_to_uri(f"{path}?{query}" if query else path)))
    return refuse(request, 404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer as Django's handler500: 503 if the database's state or an outside party is the cause, else 500.

    Every unhandled error ends here, also from middleware and the back office. The log has the traceback.
    """
    error = sys.exception()
    if isinstance(error, Unavailable):
        return _try_later(request, error)
    if isinstance(error, Exception) and (found := outage(error)):
        return _try_later(request, _unavailable(error, found))
    detail = "Something went wrong on our side. Nothing was charged by this request."
    return refuse(request, 500, "server_error", detail)


def _try_later(request: HttpRequest, refusal: Unavailable) -> HttpResponse:
    headers = {"Retry-After": str(refusal.retry_after)}
    return refuse(request, refusal.status, refusal.code, refusal.detail, title=refusal.title, headers=headers)
