"""What this process counts of requests. The processes of a server add up in files (PROMETHEUS_MULTIPROC_DIR)."""

import time
from collections.abc import Callable

from django.db import connections
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Gauge, Histogram

from luxewin.api.requests import METHODS

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

ANSWERED = Counter("luxewin_requests", "Requests that Django answered.", ["view", "method", "status"])
TOOK = Histogram("luxewin_request_seconds", "What Django took for an answer.", ["view"], buckets=SECONDS)
READY = Counter(
    "luxewin_ready_answers", "Public answers from memory: `fresh`, or `stale` while none can be made.", ["age"]
)
REFUSED = Counter("luxewin_refused_requests", "Requests refused at once because of too much load.", ["lane"])
POOL = Gauge("luxewin_pool_connections", "Connections to the database.", ["state"], multiprocess_mode="livesum")


class MetricsMiddleware:
    """Count each request by view, method and status, and what it took. Cost: some 10 µs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count it whatever comes of it: no value of a label is the client's to choose."""
        began = time.monotonic()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        method = request.method if request.method in METHODS else "other"
        ANSWERED.labels(view, method, response.status_code).inc()
        TOOK.labels(view).observe(time.monotonic() - began)
        _note_pool()
        return response


def _note_pool() -> None:
    """Record how the pool of this process is used, if it has one."""
    if pool := connections["default"].pool:  # type: ignore[attr-defined]  # of PostgreSQL's wrapper
        stats = pool.get_stats()
        POOL.labels("idle").set(stats["pool_available"])
        POOL.labels("used").set(stats["pool_size"] - stats["pool_available"])
        POOL.labels("awaited").set(stats["requests_waiting"])
