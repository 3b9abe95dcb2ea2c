"""`/metrics`, for Prometheus alone."""

import os

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from luxewin.metrics.gauges import Gauges


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever bears METRICS_TOKEN; for all others, and without one, there is no such page.

    Counters are those of all processes of this server, gauges those of the database. Cost: a query for each gauge.
    """
    token = settings.METRICS_TOKEN
    scheme, _, offered = request.headers.get("Authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer" or not constant_time_compare(offered.strip(), token):
        raise Http404
    registry = CollectorRegistry()
    registry.register(Gauges())
    return HttpResponse(_counted() + generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _counted() -> bytes:
    """Return what the processes of this server counted."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
