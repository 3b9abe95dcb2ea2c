"""The access log: a line for each request, at most so many a second, with nothing that names anybody."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from luxewin.api.requests import METHODS

log = logging.getLogger(__name__)
# What monitors ask every few seconds.
UNTOLD = frozenset({"health-live", "health-ready", "metrics"})


@dataclass(slots=True)
class Allowance:
    """How many lines this second has left, and how many were left out since the last one that was written."""

    second: int = 0
    written: int = 0
    left_out: int = 0
    _lock: Lock = field(default_factory=Lock)

    def take(self, most: int, second: int) -> int | None:
        """Return how many were left out before this line; None if it is left out too."""
        with self._lock:
            if second != self.second:
                self.second, self.written = second, 0
            if self.written >= most:
                self.left_out += 1
                return None
            self.written += 1
            before, self.left_out = self.left_out, 0
            return before


class AccessLogMiddleware:
    """Log view, method, status and milliseconds of each request that Django answers (ACCESS_LOG_PER_SECOND)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._allowance = Allowance()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and log it whatever comes of it: neither the path nor the query, which may hold a token."""
        began = monotonic()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        if not settings.ACCESS_LOG_PER_SECOND or view in UNTOLD:
            return response
        ended = monotonic()
        left_out = self._allowance.take(settings.ACCESS_LOG_PER_SECOND, int(ended))
        if left_out is not None:
            method = request.method if request.method in METHODS else "other"
            facts: dict[str, object] = {"view": view, "method": method, "status": response.status_code}
            facts["milliseconds"] = round((ended - began) * 1000)
            facts |= {"left_out": left_out} if left_out else {}
            log.info(" ".join(f"{name}=%({name})s" for name in facts), facts, extra=facts)
        return response
