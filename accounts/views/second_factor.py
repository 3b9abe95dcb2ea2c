"""Your second factor: `users/totp…`."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.authentication import session_of
from accounts.errors import EmailNotVerified, SecondFactorMandatory, SecondFactorMissing
from accounts.permissions import signed_in
from accounts.serializers.second_factor import (
    BothSerializer,
    CodeSerializer,
    OfferedSerializer,
    OfferSerializer,
    RecoveryCodesSerializer,
    SecondFactorSerializer,
)
from accounts.views.responses import valid
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet


class SecondFactorViewSet(StrictViewSet):
    """Your second factor: an authenticator app, and recovery codes for when it is lost."""

    @extend_schema(responses=SecondFactorSerializer)
    @action(detail=False, methods=["get"])
    def totp(self, request: Request) -> Response:
        """Show the state of your second factor."""
        return Response(SecondFactorSerializer(services.state_of(signed_in(request))).data)

    @extend_schema(request=OfferSerializer, responses=OfferedSerializer)
    @totp.mapping.post
    @limited("30/h", key="user")
    @refuses(EmailNotVerified)
    def offer(self, request: Request) -> Response:
        """Make a secret for an authenticator app. Nothing changes until a code of it is confirmed."""
        offered = services.request_authenticator(signed_in(request), **valid(OfferSerializer, request))
        return Response(OfferedSerializer(offered).data)

    @extend_schema(request=CodeSerializer, responses=RecoveryCodesSerializer)
    @action(detail=False, methods=["post"], url_path="totp/confirm")
    @limited("30/h", key="user")
    @refuses(SecondFactorMissing)
    def confirm(self, request: Request) -> Response:
        """Switch the second factor on, or over to the new app, with a code that the app shows."""
        wanted = valid(CodeSerializer, request)
        return _shown(services.confirm_authenticator(signed_in(request), **wanted, session=session_of(request)))

    @extend_schema(request=BothSerializer, responses=RecoveryCodesSerializer)
    @action(detail=False, methods=["post"], url_path="totp/recovery")
    @limited("30/h", key="user")
    @refuses(SecondFactorMissing)
    def recovery(self, request: Request) -> Response:
        """Make new recovery codes; the older ones stop working."""
        return _shown(services.renew_recovery_codes(signed_in(request), **valid(BothSerializer, request)))

    @extend_schema(request=BothSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="totp/off")
    @limited("30/h", key="user")
    @refuses(SecondFactorMandatory, SecondFactorMissing)
    def off(self, request: Request) -> Response:
        """Switch the second factor off. (Not a DELETE, which has no body for password and code.)"""
        services.switch_off(signed_in(request), **valid(BothSerializer, request))
        return Response(status=204)


def _shown(codes: list[str]) -> Response:
    return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)
