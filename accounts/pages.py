"""The pages of accounts: where the links of mails lead while no front end is configured, and the published keys.

GET asks and POST acts: mail scanners follow links, and must not use one up.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.errors import LinkRefused
from accounts.keys import PUBLISHED_FOR, ring
from luxewin.api.problems import InvalidInput

VERBS = ["GET", "HEAD", "POST"]


@never_cache
@require_http_methods(VERBS)
def verify_email(request: HttpRequest) -> HttpResponse:
    """Verifies an address."""
    return _page(request, "accounts/verify_email.html", services.verify_email)


@never_cache
@require_http_methods(VERBS)
def confirm_email(request: HttpRequest) -> HttpResponse:
    """Says yes to a change of address for one of its sides."""
    return _page(request, "accounts/confirm_email.html", services.confirm_email_change)


@never_cache
@require_http_methods(VERBS)
def reset_password(request: HttpRequest) -> HttpResponse:
    """Takes a new password."""

    def reset(token: str) -> bool:
        services.reset_password(token=token, password=request.POST.get("password", "")[:128])
        return True

    return _page(request, "accounts/reset_password.html", reset)


@require_safe
@cache_control(public=True, max_age=int(PUBLISHED_FOR.total_seconds()))
def jwks(request: HttpRequest) -> JsonResponse:
    """The public keys with which anyone verifies access tokens (RFC 7517)."""
    return JsonResponse({"keys": [key.jwk() for key in ring().living()]})


def _page(request: HttpRequest, template: str, act: Any) -> HttpResponse:
    asked = request.GET if request.method != "POST" else request.POST
    token = asked.get("token", "")[:200]
    if request.method != "POST":
        return render(request, template, {"token": token})
    try:
        return render(request, template, {"done": True, "result": act(token=token)})
    except LinkRefused as refusal:
        return render(request, template, {"refused": refusal.detail}, status=refusal.status)
    except InvalidInput as refusal:
        faults = [fault["detail"] for fault in refusal.data["errors"]]
        return render(request, template, {"token": token, "faults": faults}, status=refusal.status)
