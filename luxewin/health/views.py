"""`/health/live` and `/health/ready`: for load balancers, and for operators in an incident."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from luxewin import __version__
from luxewin.health.probes import Health, examine


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process runs; examines nothing."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Name each part, its state, and how many seconds ago that was found; only staff see the reasons.

    Answer 503 while a required part is down or not examined yet; optional parts, such as Stripe, do not count.
    """
    parts = examine()
    status = _status(parts)
    named = {part.name: {"state": part.state, "age": _rounded(part.age)} for part in parts}
    code = 503 if status in {"down", "starting"} else 200
    return JsonResponse({"status": status, "version": __version__, "parts": named}, status=code)


@never_cache
@require_safe
def details(request: HttpRequest) -> HttpResponse:
    """Show the same page with reasons, for the back office."""
    parts = examine()
    context: dict[str, Any] = {"title": "Health", "status": _status(parts), "version": __version__, "parts": parts}
    return render(request, "admin/health.html", admin.site.each_context(request) | context)


def _status(parts: list[Health]) -> str:
    if any(part.required and part.state == "down" for part in parts):
        return "down"
    if any(part.required and part.state == "unknown" for part in parts):
        return "starting"
    return "ok" if all(part.state == "ok" for part in parts) else "degraded"


def _rounded(age: float | None) -> float | None:
    return None if age is None else round(age, 1)
