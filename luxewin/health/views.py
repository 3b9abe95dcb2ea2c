"""`/health/live` and `/health/ready`: for load balancers, and for the operator at three in the morning."""

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from luxewin.health.probes import examine


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers; asks nobody."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Names each part. 503 only if a required one is down: a dead Stripe must not take the whole site away."""
    parts = examine()
    down = [part for part in parts if part.state != "ok"]
    status = "down" if any(part.required for part in down) else "degraded" if down else "ok"
    body = {"status": status, "parts": {part.name: _without_name(asdict(part)) for part in parts}}
    return JsonResponse(body, status=503 if status == "down" else 200)


def _without_name(part: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in part.items() if key != "name" and value != ""}
