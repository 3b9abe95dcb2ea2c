"""The API of accounts: `auth/…` and `users/…`."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from accounts import services, tokens
from accounts.models import Preferences
from accounts.permissions import signed_in
from accounts.serializers import (
    LoginSerializer,
    PreferencesSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegisteredSerializer,
    RegisterSerializer,
    SignedInSerializer,
    TokenPairSerializer,
    TokenSerializer,
)
from luxewin.api.ratelimits import by_body_field, limited


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

    @extend_schema(request=LoginSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    @limited("10/m", key=by_body_field("email"))
    def login(self, request: Request) -> Response:
        """Opens a session on this device."""
        agent = request.headers.get("User-Agent", "")
        user, pair = services.log_in(**_valid(LoginSerializer, request), user_agent=agent)
        return Response(SignedInSerializer({"access": pair.access, "refresh": pair.refresh, "user": user}).data)

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def refresh(self, request: Request) -> Response:
        """The next pair of tokens. A refresh token is good once; using one twice ends its session."""
        return Response(TokenPairSerializer(tokens.rotate(**_valid(RefreshSerializer, request))).data)

    @extend_schema(request=RefreshSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def logout(self, request: Request) -> Response:
        """Ends this device's session."""
        tokens.end_session(**_valid(RefreshSerializer, request))
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


def _valid(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data
