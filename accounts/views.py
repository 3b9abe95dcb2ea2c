"""The API of accounts: `auth/…` and `users/…`."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.middleware.csrf import get_token, rotate_token
from django.utils.cache import add_never_cache_headers
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from accounts import cookies, services, tokens
from accounts.authentication import check_csrf, is_in_cookies, session_of
from accounts.models import LinkRequest, Preferences, Session
from accounts.permissions import signed_in
from accounts.serializers import (
    AddressSerializer,
    ChangeEmailSerializer,
    ChangePasswordSerializer,
    CsrfSerializer,
    EmailChangeSerializer,
    LoginSerializer,
    PreferencesSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegisteredSerializer,
    RegisterSerializer,
    ResetSerializer,
    SaidSerializer,
    SessionSerializer,
    SignedInSerializer,
    TokenPairSerializer,
    TokenSerializer,
)
from accounts.tokens import TokenPair
from luxewin.api.problems import InvalidInput
from luxewin.api.ratelimits import by_body_field, limited

UUID_PATTERN = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class AuthViewSet(GenericViewSet):
    """Signing up, in and out."""

    permission_classes = [AllowAny]
    # A stale token in the header must not keep anybody from signing in.
    authentication_classes = []

    @extend_schema(request=RegisterSerializer, responses={201: RegisteredSerializer})
    @action(detail=False, methods=["post"])
    @limited("60/h")
    def register(self, request: Request) -> Response:
        """Makes an account and mails a verification link. The answer is the same if the address has an account."""
        data = _valid(RegisterSerializer, request)
        services.register_user(**data)
        return Response(
            {"email": data["email"].lower(), "detail": "We sent you a mail. Open the link in it."}, status=201
        )

    @extend_schema(request=TokenSerializer, responses=ProfileSerializer)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def verify(self, request: Request) -> Response:
        """Verifies the address with the token from the mail."""
        return Response(ProfileSerializer(services.verify_email(**_valid(TokenSerializer, request))).data)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="verify/resend")
    @limited("60/h")
    @limited("10/h", key=by_body_field("email"))
    def resend(self, request: Request) -> Response:
        """Mails the verification link again, if the address waits for one. The answer is the same if it does not."""
        return _asked_for_link(LinkRequest.Kind.VERIFY, request)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="password/forgot")
    @limited("60/h")
    @limited("10/h", key=by_body_field("email"))
    def forgot(self, request: Request) -> Response:
        """Mails a link to set a new password, if the address has an account. The answer is the same if it has none."""
        return _asked_for_link(LinkRequest.Kind.RESET, request)

    @extend_schema(request=ResetSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="password/reset")
    @limited("60/h")
    def reset(self, request: Request) -> Response:
        """Sets a new password with the token from the mail, which is good for an hour, once; every session ends."""
        services.reset_password(**_valid(ResetSerializer, request))
        return Response(status=204)

    @extend_schema(request=TokenSerializer, responses=EmailChangeSerializer)
    @action(detail=False, methods=["post"], url_path="email/confirm")
    @limited("60/h")
    def confirm_email(self, request: Request) -> Response:
        """Says yes to a change of address for the mailbox that the token was sent to; both have to."""
        changed = services.confirm_email_change(**_valid(TokenSerializer, request))
        detail = "Your address is changed." if changed else "Now open the link that we sent to your other address."
        return Response({"changed": changed, "detail": detail})

    @extend_schema(request=LoginSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    @limited("10/m", key=by_body_field("email"))
    def login(self, request: Request) -> Response:
        """Opens a session on this device, in whose place an older one of the same browser ends."""
        agent = request.headers.get("User-Agent", "")
        wanted = _valid(LoginSerializer, request)
        in_cookies = wanted.pop("mode") == "cookie"
        if in_cookies:
            check_csrf(request)
        user, pair = services.log_in(**wanted, user_agent=agent)
        if in_cookies:
            cookies.end_kept(request)
            # Whoever knew the token of before was not signed in.
            rotate_token(request._request)  # noqa: SLF001 DRF's public name for it
        return _handed_over(pair, in_cookies=in_cookies, user=user)

    @extend_schema(responses=CsrfSerializer)
    @action(detail=False, methods=["get"])
    def csrf(self, request: Request) -> Response:
        """The token that cookie mode sends as X-CSRFToken with every POST, PATCH and DELETE; another after sign-in."""
        response = Response({"csrf_token": get_token(request._request)})  # noqa: SLF001 DRF's public name for it
        add_never_cache_headers(response)
        return response

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def refresh(self, request: Request) -> Response:
        """The next pair of tokens. A refresh token is good once; using one twice ends its session."""
        token, in_cookies = _refresh_token(request)
        return _handed_over(tokens.rotate(token), in_cookies=in_cookies)

    @extend_schema(request=RefreshSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def logout(self, request: Request) -> Response:
        """Ends this device's session."""
        token, in_cookies = _refresh_token(request)
        if in_cookies:
            cookies.end_kept(request)
            return cookies.drop(Response(status=204))
        tokens.end_session(token)
        return Response(status=204)


class SessionViewSet(GenericViewSet):
    """The devices on which one is signed in."""

    serializer_class = SessionSerializer
    filter_backends = []
    queryset = Session.objects.none()

    def get_queryset(self) -> QuerySet[Session]:
        """One's own that are alive."""
        return Session.objects.filter(user=self.request.user.pk).alive()

    @extend_schema(responses=SessionSerializer(many=True))
    @action(detail=False, methods=["get"])
    def sessions(self, request: Request) -> Response:
        """Lists them, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(
            SessionSerializer(page, many=True, context={"current": session_of(request)}).data
        )

    @extend_schema(responses={204: None}, operation_id="auth_sessions_end_others")
    @sessions.mapping.delete
    def end_others(self, request: Request) -> Response:
        """Signs out every device but this one."""
        tokens.end_others(signed_in(request), session_of(request))
        return Response(status=204)

    @extend_schema(
        operation_id="auth_sessions_end_one",
        responses={204: None},
        parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)],
    )
    @action(detail=False, methods=["delete"], url_path=f"sessions/(?P<id>{UUID_PATTERN})")
    def end_one(self, request: Request, id: str) -> Response:  # noqa: A002 the name in the path
        """Signs out one device; its tokens are dead at once."""
        tokens.end_one(signed_in(request), UUID(id))
        return Response(status=204)


class UserViewSet(GenericViewSet):
    """One's own account."""

    @extend_schema(methods=["GET"], responses=ProfileSerializer)
    @extend_schema(methods=["PATCH"], request=ProfileSerializer, responses=ProfileSerializer)
    @action(detail=False, methods=["get", "patch"])
    def profile(self, request: Request) -> Response:
        """Shows or changes one's profile."""
        if request.method == "PATCH":
            serializer = ProfileSerializer(request.user, data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            services.update_profile(signed_in(request), **serializer.validated_data)
        return Response(ProfileSerializer(request.user).data)

    @extend_schema(methods=["GET"], responses=PreferencesSerializer)
    @extend_schema(methods=["PATCH"], request=PreferencesSerializer, responses=PreferencesSerializer)
    @action(detail=False, methods=["get", "patch"])
    def preferences(self, request: Request) -> Response:
        """Shows or changes one's preferences."""
        preferences, _ = Preferences.objects.get_or_create(user=signed_in(request))
        if request.method == "PATCH":
            serializer = PreferencesSerializer(preferences, data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            preferences = services.update_preferences(signed_in(request), **serializer.validated_data)
        return Response(PreferencesSerializer(preferences).data)

    @extend_schema(request=ChangePasswordSerializer, responses=TokenPairSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/h", key="user")
    def password(self, request: Request) -> Response:
        """Sets a new password. Every session ends; the answer is a new one for this device."""
        agent = request.headers.get("User-Agent", "")
        wanted = _valid(ChangePasswordSerializer, request)
        pair = services.change_password(signed_in(request), **wanted, user_agent=agent)
        return _handed_over(pair, in_cookies=is_in_cookies(request))

    @extend_schema(request=ChangeEmailSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"])
    @limited("30/h", key="user")
    def email(self, request: Request) -> Response:
        """Asks for another address. It counts once the links mailed to the old and the new one were both opened."""
        services.request_email_change(signed_in(request), **_valid(ChangeEmailSerializer, request))
        return Response({"detail": "We sent a mail to both addresses. Open the links in them."}, status=202)


def _handed_over(pair: TokenPair, *, in_cookies: bool, **members: Any) -> Response:
    """New tokens in the answer's body or in its cookies, never in both."""
    if in_cookies:
        return cookies.keep(Response(SignedInSerializer(members).data), pair)
    return Response(SignedInSerializer({"access": pair.access, "refresh": pair.refresh} | members).data)


def _refresh_token(request: Request) -> tuple[str, bool]:
    """The refresh token of the body, or else of the cookie, and whether it was the cookie's."""
    if given := _valid(RefreshSerializer, request).get("refresh"):
        return given, False
    kept = request.COOKIES.get(settings.REFRESH_COOKIE)
    if kept is None:
        raise InvalidInput.of("refresh", "required", "Send a refresh token.")
    check_csrf(request)
    return kept, True


def _asked_for_link(kind: LinkRequest.Kind, request: Request) -> Response:
    services.request_link(kind, **_valid(AddressSerializer, request))
    return Response({"detail": "If this address waits for it, a mail with a link is on its way."}, status=202)


def _valid(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data
