"""What the views of accounts share: checked input, tokens handed over."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts import cookies, services
from accounts.authentication import check_csrf
from accounts.models import LinkRequest
from accounts.serializers.auth import AddressSerializer, RefreshSerializer, SignedInSerializer
from accounts.tokens import TokenPair
from luxewin.api.problems import InvalidInput


def handed_over(pair: TokenPair, *, in_cookies: bool, **members: Any) -> Response:
    """New tokens in the answer's body or in its cookies, never in both."""
    if in_cookies:
        return cookies.keep(Response(SignedInSerializer(members).data), pair)
    return Response(SignedInSerializer({"access": pair.access, "refresh": pair.refresh} | members).data)


def refresh_token(request: Request) -> tuple[str, bool]:
    """The refresh token of the body, or else of the cookie, and whether it was the cookie's."""
    if given := valid(RefreshSerializer, request).get("refresh"):
        return given, False
    kept = request.COOKIES.get(settings.REFRESH_COOKIE)
    if kept is None:
        raise InvalidInput.of("refresh", "required", "Send a refresh token.")
    check_csrf(request)
    return kept, True


def asked_for_link(kind: LinkRequest.Kind, request: Request) -> Response:
    """Puts the wish for a mailed link by; the answer is the same for every address."""
    services.request_link(kind, **valid(AddressSerializer, request))
    return Response({"detail": "If this address waits for it, a mail with a link is on its way."}, status=202)


def valid(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    """The request's body, checked; raises ValidationError with every fault."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data
