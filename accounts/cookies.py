"""Cookie mode: the same tokens of the same sessions, kept by the browser out of reach of scripts."""

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


def drop[R: HttpResponseBase](response: R, *names: str) -> R:
    """Has the browser forget these cookies, else both."""
    places: dict[str, tuple[str, Literal["Lax", "Strict"]]] = {
        settings.ACCESS_COOKIE: ("/", "Lax"),
        settings.REFRESH_COOKIE: (REFRESH_PATH, "Strict"),
    }
    for name in names or places:
        path, same_site = places[name]
        response.delete_cookie(name, path=path, samesite=same_site)
    return response


class DeadCookiesMiddleware:
    """Whatever answer notices that a browser's cookies are dead takes them away, so that it stops sending them.

    Such an answer is kept by no cache: it would sign others out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Leaves an answer alone that sets new ones."""
        response = self.get_response(request)
        dead = [name for name in getattr(request, DEAD_COOKIES, ()) if name not in response.cookies]
        if dead:
            drop(response, *dead)
            response["Cache-Control"] = "no-store"
        return response


def end_kept(request: Request) -> None:
    """Ends the session whose refresh token the browser keeps, if there is one and it is good."""
    if kept := request.COOKIES.get(settings.REFRESH_COOKIE):
        try:
            end_session(kept)
        except TokenRefused:
            return
