"""The one page of accounts: where the link of the verification mail leads while no front end is configured."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import services
from accounts.errors import LinkRefused

PAGE = "accounts/verify_email.html"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify_email(request: HttpRequest) -> HttpResponse:
    """GET asks, POST verifies: mail scanners follow links, and must not use one up."""
    if request.method != "POST":
        return render(request, PAGE, {"token": request.GET.get("token", "")[:200]})
    try:
        services.verify_email(token=request.POST.get("token", "")[:200])
    except LinkRefused as refusal:
        return render(request, PAGE, {"refused": refusal.detail}, status=refusal.status)
    return render(request, PAGE, {"verified": True})
