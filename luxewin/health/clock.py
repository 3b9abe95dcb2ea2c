"""A web process with a wrong clock answers only health requests."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from luxewin import clock
from luxewin.api.problems import refuse

DETAIL = "The clock of this server is wrong, so it takes no requests until it is set. Nothing was done; try again soon."
RETRY_SECONDS = 15


class RightClockMiddleware:
    """Refuse requests (503 `clock_wrong`) while this process's clock is too far from the database's.

    Reads too: sessions, tokens, signed links and times left on pages use the process's own clock. Cost: two readings of
    clocks, and one short query every ten seconds.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse before anything of the request is read; health requests pass."""
        if request.path.startswith("/health/") or not clock.is_off():
            return self.get_response(request)
        headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
        status, title = HTTPStatus.SERVICE_UNAVAILABLE, "The server's clock is wrong"
        return refuse(request, status, "clock_wrong", DETAIL, title=title, headers=headers)
