"""Shared helpers of the accounts views: checked input, token responses."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts import cookies, services
from accounts.addresses import mailbox_key
from accounts.authentication import check_csrf
from accounts.models import LinkRequest, User
from accounts.serializers.auth import AddressSerializer, RefreshSerializer
from accounts.serializers.users import ProfileSerializer
from accounts.tokens import TokenPair
from luxewin.api.problems import InvalidInput
from luxewin.api.ratelimits import count_request


def token_response(pair: TokenPair, *, in_cookies: bool, user: User | None = None) -> Response:
    """Return new tokens in the response body or in cookies, never in both."""
    shown = {"user": ProfileSerializer(user).data} if user else {}
    if in_cookies:
        return cookies.keep(Response(shown), pair)
    return Response({"access": pair.access, "refresh": pair.refresh} | shown)


def signed_in_by(
    log_in: Callable[..., tuple[User, TokenPair]], serializer: type[Serializer], request: Request
) -> Response:
    """Open a session by `log_in` with what the body says, in the body's `mode`."""
    wanted = valid(serializer, request)
    in_cookies = wanted.pop("mode") == "cookie"
    if in_cookies:
        check_csrf(request)
    user, pair = log_in(**wanted, user_agent=request.headers.get("User-Agent", ""))
    if in_cookies:
        cookies.end_kept(request)
        # Anyone who knew the earlier CSRF token was not signed in.
        rotate_token(request._request)  # noqa: SLF001 DRF's public name for it
    return token_response(pair, in_cookies=in_cookies, user=user)


def refresh_token(request: Request) -> tuple[str, bool]:
    """Return the refresh token of the body, or else of the cookie, and whether it came from the cookie."""
    if given := valid(RefreshSerializer, request).get("refresh"):
        return given, False
    kept = request.COOKIES.get(settings.REFRESH_COOKIE)
    if kept is None:
        raise InvalidInput.of("refresh", "required", "Send a refresh token.")
    check_csrf(request)
    return kept, True


MAILS_TO_A_MAILBOX = "10/h"


def count_mails_to(email: str, request: Request | HttpRequest) -> None:
    """Count a mail that anybody can have sent to this address; raise TooManyRequests beyond MAILS_TO_A_MAILBOX.

    All such mails share one count per mailbox, and it rises whether a mail is sent or not: so it reveals nothing.
    """
    count_request(request, group="mails", key=lambda *_: mailbox_key(email), rate=MAILS_TO_A_MAILBOX)


def asked_for_link(kind: LinkRequest.Kind, request: Request) -> Response:
    """Record the request for a mailed link; the answer is the same for every address."""
    wanted = valid(AddressSerializer, request)
    count_mails_to(wanted["email"], request)
    services.request_link(kind, **wanted)
    return Response({"detail": "If this address is waiting for it, we sent an e-mail with a link."}, status=202)


def valid(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    """Return the validated request body; raise ValidationError with every fault."""
    checked = serializer(data=request.data, context={"request": request})
    checked.is_valid(raise_exception=True)
    return checked.validated_data
