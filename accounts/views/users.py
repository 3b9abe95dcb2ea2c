"""Your own account: `users/…`."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.addresses import mailbox_key
from accounts.authentication import has_second_factor, is_in_cookies
from accounts.errors import EmailNotVerified, PlaceFixed, SelfExcluded
from accounts.models import Preferences
from accounts.permissions import signed_in
from accounts.serializers.auth import TOKENS, SaidSerializer
from accounts.serializers.users import (
    ChangeEmailSerializer,
    ChangePasswordSerializer,
    OwnProfileSerializer,
    PreferencesSerializer,
    ProfileSerializer,
)
from accounts.views.responses import count_mails_to, token_response, valid
from luxewin.api.ratelimits import changes, limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet


class UserViewSet(StrictViewSet):
    """Your own account."""

    @extend_schema(methods=["GET"], responses=OwnProfileSerializer)
    @extend_schema(methods=["PATCH"], request=ProfileSerializer, responses=OwnProfileSerializer)
    @action(detail=False, methods=["get", "patch"])
    @limited("30/h", key="user", when=changes)
    @refuses(PlaceFixed)
    def profile(self, request: Request) -> Response:
        """Show or change your profile. Country and region can be changed once in 90 days (409 `place_fixed`)."""
        user = signed_in(request)
        if request.method == "PATCH":
            serializer = ProfileSerializer(user, data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            user = services.update_profile(user, **serializer.validated_data)
        return Response(OwnProfileSerializer(user).data)

    @extend_schema(methods=["GET"], responses=PreferencesSerializer)
    @extend_schema(methods=["PATCH"], request=PreferencesSerializer, responses=PreferencesSerializer)
    @action(detail=False, methods=["get", "patch"])
    @limited("30/h", key="user", when=changes)
    @refuses(SelfExcluded)
    def preferences(self, request: Request) -> Response:
        """Show or change your preferences."""
        preferences, _ = Preferences.objects.get_or_create(user=signed_in(request))
        if request.method == "PATCH":
            serializer = PreferencesSerializer(preferences, data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            preferences = services.update_preferences(signed_in(request), **serializer.validated_data)
        return Response(PreferencesSerializer(preferences).data)

    @extend_schema(request=ChangePasswordSerializer, responses=TOKENS)
    @action(detail=False, methods=["post"])
    @limited("30/h", key="user")
    def password(self, request: Request) -> Response:
        """Set a new password. Every session ends; the answer has a new one for this device."""
        agent = request.headers.get("User-Agent", "")
        wanted = valid(ChangePasswordSerializer, request)
        shown = has_second_factor(request)
        pair = services.change_password(signed_in(request), **wanted, user_agent=agent, second_factor=shown)
        return token_response(pair, in_cookies=is_in_cookies(request))

    @extend_schema(request=ChangeEmailSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"])
    @limited("30/h", key="user")
    @refuses(EmailNotVerified)
    def email(self, request: Request) -> Response:
        """Request another address. It takes effect once the links mailed to the old and new ones were both opened."""
        user, wanted = signed_in(request), valid(ChangeEmailSerializer, request)
        for address in {mailbox_key(user.email), mailbox_key(wanted["email"])}:
            count_mails_to(address, request)
        services.request_email_change(user, **wanted)
        return Response({"detail": "We sent an e-mail to each address. Open the links in both."}, status=202)
