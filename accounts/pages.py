"""The pages of accounts: targets of mailed links while no front end is configured, and the published keys.

GET only shows and asks; POST acts and redirects to the result. Mail scanners follow links and must not use one up, and
reloading a page must not send its form again. A used or expired link says so before anything is asked.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError

from accounts import services
from accounts.errors import LinkRefused
from accounts.links import reset_links, unsubscribing_of, verification_links
from accounts.models import LinkRequest
from accounts.notification_types import TITLES
from accounts.serializers.auth import AddressSerializer
from accounts.signing_keys import PUBLISHED_FOR, ring
from accounts.views.responses import count_mails_to
from luxewin.api.problems import InvalidInput, flatten
from luxewin.api.ratelimits import count_request
from luxewin.pages import page

MAX_TOKEN = 300


@never_cache
@page("POST")
def verify_email(request: HttpRequest) -> HttpResponse:
    """Verify an address, with the password of the registration or a new one."""

    def verify(token: str) -> str:
        given = {name: request.POST[name][:128] for name in ("password", "new_password") if request.POST.get(name)}
        services.verify_email(token=token, **given)
        return "verified"

    return _by_link(request, "accounts/verify_email.html", verification_links.user_of, verify)


@never_cache
@page("POST")
def confirm_email(request: HttpRequest) -> HttpResponse:
    """Confirm a change of address for one of its sides."""

    def confirm(token: str) -> str:
        return "changed" if services.confirm_email_change(token=token) else "half"

    def check(token: str) -> None:
        services.check_email_change_link(token=token)

    return _by_link(request, "accounts/confirm_email.html", check, confirm)


@never_cache
@page("POST")
def reset_password(request: HttpRequest) -> HttpResponse:
    """Set a new password."""

    def reset(token: str) -> str:
        services.reset_password(token=token, password=request.POST.get("password", "")[:128])
        return "set"

    return _by_link(request, "accounts/reset_password.html", reset_links.user_of, reset)


@never_cache
@page("POST")
def keep_account(request: HttpRequest) -> HttpResponse:
    """Cancel a deletion."""

    def keep(token: str) -> str:
        services.keep_account(token=token)
        return "kept"

    def check(token: str) -> None:
        services.check_keeping_link(token=token)

    return _by_link(request, "accounts/keep_account.html", check, keep)


@never_cache
@page("POST")
def export(request: HttpRequest) -> HttpResponseBase:
    """Serve the archive of a mailed link; by POST, so that mail scanners do not fetch it."""
    template, token = "accounts/export.html", _token(request)
    try:
        if request.method != "POST":
            archive = services.check_export_link(token=token)
            return render(request, template, {"token": token, "archive": archive})
        archive, content = services.open_export(token=token)
    except LinkRefused as refusal:
        return _refused(request, template, refusal)
    answer = StreamingHttpResponse(content, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="luxewin-{archive.created_at:%Y-%m-%d}.zip"'
    answer["Content-Length"] = str(archive.size)
    return answer


@csrf_exempt  # nosemgrep: forms-are-guarded (see below)
@never_cache
@page("POST")
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """Switch off what the link of a mail names: mail programs send the POST themselves (RFC 8058), without cookies.

    The token alone authorizes this and nothing else: no other site's page could know it. Mail programs are answered at
    once, because they follow no redirect; the page's own form is redirected.
    """
    template, token = "accounts/unsubscribe.html", request.GET.get("token", "")[:MAX_TOKEN]
    if request.method != "POST" and "done" in request.GET:
        return render(request, template, {"done": TITLES.get(request.GET["done"], "")})
    try:
        if request.method != "POST":
            _, event, _ = unsubscribing_of(token)
            return render(request, template, {"title": TITLES[event]})
        event = services.unsubscribe(token=token)
    except LinkRefused as refusal:
        return _refused(request, template, refusal)
    if "page" in request.POST:
        return redirect(f"{request.path}?done={event}")
    return render(request, template, {"done": TITLES[event]})


@never_cache
@page("POST")
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Mail a link to set a new password; the answer never reveals who has an account."""
    return _asking_for_link(request, LinkRequest.Kind.RESET, "accounts/forgot_password.html")


@never_cache
@page("POST")
def resend_verification(request: HttpRequest) -> HttpResponse:
    """Mail the link that verifies an address again; the answer never reveals who has an account."""
    return _asking_for_link(request, LinkRequest.Kind.VERIFY, "accounts/resend_verification.html")


@page()
def login(request: HttpRequest) -> HttpResponse:
    """Redirect to the site's own sign-in; without a front end, say where people can sign in."""
    if settings.FRONTEND_URL:
        return redirect(f"{settings.FRONTEND_URL}/login")
    return render(request, "accounts/login.html")


@require_safe
@cache_control(public=True, max_age=int(PUBLISHED_FOR.total_seconds()))
def jwks(request: HttpRequest) -> JsonResponse:
    """Return the public keys that verify access tokens (RFC 7517)."""
    return JsonResponse({"keys": [key.jwk() for key in ring().living()]})


def _by_link(
    request: HttpRequest, template: str, check: Callable[[str], Any], act: Callable[[str], str]
) -> HttpResponse:
    """Serve the page of a mailed link. `check` and `act` raise LinkRefused; `act` returns what the next page says."""
    token = _token(request)
    try:
        if request.method == "POST":
            return redirect(f"{request.path}?done={act(token)}")
        if done := request.GET.get("done"):
            return render(request, template, {"done": done})
        check(token)
    except LinkRefused as refusal:
        return _refused(request, template, refusal)
    except InvalidInput as refusal:
        faults = [fault["detail"] for fault in refusal.data["errors"]]
        return render(request, template, {"token": token, "faults": faults}, status=refusal.status)
    return render(request, template, {"token": token})


def _token(request: HttpRequest) -> str:
    return (request.POST if request.method == "POST" else request.GET).get("token", "")[:MAX_TOKEN]


def _refused(request: HttpRequest, template: str, refusal: LinkRefused) -> HttpResponse:
    # A dead link is a normal page for GET, but a failure for POST.
    status = refusal.status if request.method == "POST" else 200
    return render(request, template, {"refused": refusal.detail}, status=status)


def _asking_for_link(request: HttpRequest, kind: LinkRequest.Kind, template: str) -> HttpResponse:
    if request.method != "POST":
        return render(request, template, {"done": "done" in request.GET})
    given = request.POST.get("email", "")[:254]
    try:
        count_request(request, group=f"page of {kind}", key="ip", rate="60/h")
        wanted = AddressSerializer(data={"email": given})
        wanted.is_valid(raise_exception=True)
    except ValidationError as refusal:
        faults = [fault["detail"] for fault in flatten(refusal.detail)]
        return render(request, template, {"email": given, "faults": faults}, status=400)
    count_mails_to(wanted.validated_data["email"], request)
    services.request_link(kind, **wanted.validated_data)
    return redirect(f"{request.path}?done=asked")
