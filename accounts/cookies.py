"""Cookie mode: the browser keeps a session's tokens out of reach of scripts, which see only that there is one."""

from collections.abc import Callable
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.settings import api_settings

from accounts.authentication import DEAD_COOKIES
from accounts.errors import TokenRefused
from accounts.tokens import TokenPair, end_session

# The refresh token is sent only where it is used.
REFRESH_PATH = "/api/v1/auth"


def keep(response: Response, pair: TokenPair) -> Response:
    """Set both token cookies, and the one that scripts may read, as long as the session can be refreshed."""
    # Lax, so that a link in a mail opens a page signed in. The refresh cookie is strict: only our own pages refresh.
    for name, value, path, same_site, life in (
        (settings.ACCESS_COOKIE, pair.access, "/", "Lax", api_settings.ACCESS_TOKEN_LIFETIME),
        (settings.REFRESH_COOKIE, pair.refresh, REFRESH_PATH, "Strict", api_settings.REFRESH_TOKEN_LIFETIME),
        (settings.SIGNED_IN_COOKIE, "1", "/", "Lax", api_settings.REFRESH_TOKEN_LIFETIME),
    ):
        flags: dict[str, Any] = {"secure": settings.SESSION_COOKIE_SECURE, "samesite": same_site}
        flags["httponly"] = name != settings.SIGNED_IN_COOKIE
        response.set_cookie(name, value, max_age=life, path=path, **flags)
    return response


def drop[R: HttpResponseBase](response: R, *names: str) -> R:
    """Delete these cookies, or all; the one for scripts goes with the refresh cookie."""
    places: dict[str, tuple[str, Literal["Lax", "Strict"]]] = {
        settings.ACCESS_COOKIE: ("/", "Lax"),
        settings.REFRESH_COOKIE: (REFRESH_PATH, "Strict"),
        settings.SIGNED_IN_COOKIE: ("/", "Lax"),
    }
    if settings.REFRESH_COOKIE in names:
        names += (settings.SIGNED_IN_COOKIE,)
    for name in names or places:
        path, same_site = places[name]
        response.delete_cookie(name, path=path, samesite=same_site)
    return response


class DeadCookiesMiddleware:
    """Delete a browser's dead cookies with the answer that noticed them, so that it stops sending them.

    Such an answer is never cached: it would sign others out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Leave an answer that sets new cookies alone."""
        response = self.get_response(request)
        dead = [name for name in getattr(request, DEAD_COOKIES, ()) if name not in response.cookies]
        if dead:
            drop(response, *dead)
            response["Cache-Control"] = "no-store"
        return response


def end_kept(request: Request) -> None:
    """End the session of the browser's refresh cookie, if there is a valid one."""
    if kept := request.COOKIES.get(settings.REFRESH_COOKIE):
        try:
            end_session(kept)
        except TokenRefused:
            return
