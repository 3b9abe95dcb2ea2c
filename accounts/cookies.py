"""Cookie mode: the same tokens of the same sessions, kept by the browser out of reach of scripts."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.settings import api_settings

from accounts.errors import TokenRefused
from accounts.tokens import TokenPair, end_session

# The refresh token goes nowhere but where it is used.
REFRESH_PATH = "/api/v1/auth"


def keep(response: Response, pair: TokenPair) -> Response:
    """Has the browser keep both tokens."""
    # Lax, so that a link in a mail leads to a page that knows who opens it; nothing but our own pages refreshes.
    for name, token, path, same_site, life in (
        (settings.ACCESS_COOKIE, pair.access, "/", "Lax", api_settings.ACCESS_TOKEN_LIFETIME),
        (settings.REFRESH_COOKIE, pair.refresh, REFRESH_PATH, "Strict", api_settings.REFRESH_TOKEN_LIFETIME),
    ):
        flags: dict[str, Any] = {"httponly": True, "secure": settings.SESSION_COOKIE_SECURE, "samesite": same_site}
        response.set_cookie(name, token, max_age=life, path=path, **flags)
    return response


def drop(response: Response) -> Response:
    """Has the browser forget both tokens."""
    response.delete_cookie(settings.ACCESS_COOKIE, path="/", samesite="Lax")
    response.delete_cookie(settings.REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict")
    return response


def end_kept(request: Request) -> None:
    """Ends the session whose refresh token the browser keeps, if there is one and it is good."""
    if kept := request.COOKIES.get(settings.REFRESH_COOKIE):
        try:
            end_session(kept)
        except TokenRefused:
            return
