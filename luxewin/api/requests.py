"""The context of a request (client address, request id), for logs, problem documents and the audit."""

import ipaddress
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: In `META` of a request whose body has not been read yet: a view that would read it answers 100 (Continue), and is
#: called again with the body. `luxewin.asgi` names the paths that are asked first.
ASKED_FIRST = "luxewin.asked_first"
# What a request may ask for by name; anything else is a word of the client's.
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The id and the client's address of this thread's current request; empty outside a request."""

    request_id: str = ""
    address: str | None = None


_NONE = RequestContext()
_context: ContextVar[RequestContext] = ContextVar("luxewin_request", default=_NONE)


def current_request() -> RequestContext:
    """Return the context of the current request, or an empty one in a worker or a command."""
    return _context.get()


def enter_request(context: RequestContext) -> None:
    """Have this thread work for a request that is over; an empty context ends that."""
    _context.set(context)


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address.

    X-Forwarded-For is trusted only as far as TRUSTED_PROXIES hops from the right: entries further left were written by
    the client. A malformed or missing address is never an error; it becomes the peer's address, and 0.0.0.0 where there
    is none (Unix sockets).
    """
    peer = request.META.get("REMOTE_ADDR", "")
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.TRUSTED_PROXIES
    candidate = hops[-trusted] if 0 < trusted <= len(hops) else peer
    for address in (candidate, peer):
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104 a placeholder for "unknown", nothing binds to it


class RequestContextMiddleware:
    """Give each request an id (the client's own if it is well-formed) and return it in the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set the context for the duration of the request."""
        offered = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = offered if REQUEST_ID.fullmatch(offered) else uuid4().hex
        token = _context.set(RequestContext(request_id, client_address(request)))
        try:
            response = self.get_response(request)
        finally:
            _context.reset(token)
        response["X-Request-ID"] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Add the request's id to each log line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add `request_id`; let every record pass."""
        record.request_id = current_request().request_id or "-"
        return True
