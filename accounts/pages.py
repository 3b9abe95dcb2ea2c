"""The pages of accounts: where the links of mails lead while no front end is configured, and the published keys.

GET asks and POST acts: mail scanners follow links, and must not use one up.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.errors import LinkRefused
from accounts.events import TITLES
from accounts.keys import PUBLISHED_FOR, ring
from luxewin.api.problems import InvalidInput

VERBS = ["GET", "HEAD", "POST"]


@never_cache
@require_http_methods(VERBS)
def verify_email(request: HttpRequest) -> HttpResponse:
    """Verifies an address, with the password of the registration or a new one."""

    def verify(token: str) -> Any:
        given = {name: request.POST[name][:128] for name in ("password", "new_password") if request.POST.get(name)}
        return services.verify_email(token=token, **given)

    return _page(request, "accounts/verify_email.html", verify)


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


@never_cache
@require_http_methods(VERBS)
def keep_account(request: HttpRequest) -> HttpResponse:
    """Takes a deletion back."""
    return _page(request, "accounts/keep_account.html", services.keep_account)


@never_cache
@require_http_methods(VERBS)
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Gives the archive that a mailed link opens; by POST, so that scanners of mail do not fetch it."""
    template = "accounts/export.html"
    token = (request.POST if request.method == "POST" else request.GET).get("token", "")[:300]
    if request.method != "POST":
        return render(request, template, {"token": token})
    try:
        archive, content = services.open_export(token=token)
    except LinkRefused as refusal:
        return render(request, template, {"refused": refusal.detail}, status=refusal.status)
    answer = StreamingHttpResponse(content, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="luxewin-{archive.created_at:%Y-%m-%d}.zip"'
    answer["Content-Length"] = str(archive.size)
    return answer


@csrf_exempt  # nosemgrep: forms-are-guarded (see below)
@never_cache
@require_http_methods(VERBS)
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """Switches off what the link of a mail names: mail programs send the POST themselves (RFC 8058), without cookies.

    The token alone lets in, and lets nobody do anything else: no other site's page could know it.
    """
    token = request.GET.get("token", "")[:300]
    if request.method != "POST":
        return render(request, "accounts/unsubscribe.html")
    try:
        event = services.unsubscribe(token=token)
    except LinkRefused as refusal:
        return render(request, "accounts/unsubscribe.html", {"refused": refusal.detail}, status=refusal.status)
    return render(request, "accounts/unsubscribe.html", {"done": TITLES[event]})


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
