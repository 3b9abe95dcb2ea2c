"""Signing up, in and out: `auth/…`."""

from django.middleware.csrf import get_token
from django.utils.cache import add_never_cache_headers
from django.utils.translation import get_language_from_request
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import cookies, services, tokens
from accounts.addresses import mailbox_key
from accounts.authentication import note_dead_cookies
from accounts.errors import NoTerms, TokenRefused
from accounts.models import LinkRequest
from accounts.serializers.auth import (
    AddressSerializer,
    CsrfSerializer,
    EmailChangeSerializer,
    LoginSerializer,
    RefreshSerializer,
    RegisteredSerializer,
    RegisterSerializer,
    ResetSerializer,
    SaidSerializer,
    SecondStepSerializer,
    SignedInSerializer,
    SupabaseSerializer,
    TokenPairSerializer,
    TokenSerializer,
    VerifyEmailSerializer,
)
from accounts.serializers.safeguards import TermsSerializer
from accounts.serializers.users import ProfileSerializer
from accounts.views.answers import asked_for_link, count_mails_to, handed_over, refresh_token, signed_in_by, valid
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
        """Make an account and mail a link in `language`. The answer is the same where there is an account already."""
        data = valid(RegisterSerializer, request)
        count_mails_to(data["email"], request)
        sent_by = request._request  # noqa: SLF001 DRF's public name for it
        data.setdefault("language", get_language_from_request(sent_by))
        services.register_user(**data)
        return Response({"email": data["email"], "detail": "We sent you an e-mail. Open the link in it."}, status=201)

    @extend_schema(responses=TermsSerializer)
    @action(detail=False, methods=["get"])
    def terms(self, request: Request) -> Response:
        """The terms of sale in force, which whoever buys must have accepted; 404 while there are none."""
        terms = services.terms_in_force()
        if terms is None:
            raise NoTerms("No terms are in force. You do not have to accept any.")
        return Response(TermsSerializer(terms).data)

    @extend_schema(request=VerifyEmailSerializer, responses=ProfileSerializer)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def verify(self, request: Request) -> Response:
        """Verifies the address with the token from the mail and the password; every earlier session ends.

        With `password`, the one chosen at registration, the account is as it was registered (400 `wrong_password` in
        `errors` otherwise). With `new_password` it begins anew: somebody else may have registered the address. A
        refusal of either leaves the token good. Sign in afterwards.
        """
        return Response(ProfileSerializer(services.verify_email(**valid(VerifyEmailSerializer, request))).data)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="verify/resend")
    @limited("60/h")
    def resend(self, request: Request) -> Response:
        """Mails the verification link again, if the address waits for one. The answer is the same if it does not."""
        return asked_for_link(LinkRequest.Kind.VERIFY, request)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="password/forgot")
    @limited("60/h")
    def forgot(self, request: Request) -> Response:
        """Mails a link to set a new password, if the address has an account. The answer is the same if it has none."""
        return asked_for_link(LinkRequest.Kind.RESET, request)

    @extend_schema(request=ResetSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="password/reset")
    @limited("60/h")
    def reset(self, request: Request) -> Response:
        """Sets a new password with the token from the mail, which is good for an hour, once; every session ends."""
        services.reset_password(**valid(ResetSerializer, request))
        return Response(status=204)

    @extend_schema(request=TokenSerializer, responses=EmailChangeSerializer)
    @action(detail=False, methods=["post"], url_path="email/confirm")
    @limited("60/h")
    def confirm_email(self, request: Request) -> Response:
        """Says yes to a change of address for the mailbox that the token was sent to; both have to."""
        changed = services.confirm_email_change(**valid(TokenSerializer, request))
        detail = "Your address was changed." if changed else "Now open the link that we sent to your other address."
        return Response({"changed": changed, "detail": detail})

    @extend_schema(request=LoginSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    @limited("10/m", key=by_body_field("email", mailbox_key))
    def login(self, request: Request) -> Response:
        """Opens a session on this device, in whose place an older one of the same browser ends.

        Whoever has a second factor and sends no `code` is told 401 `second_factor_required` with a `challenge`, which
        `auth/login/second` takes for five minutes.
        """
        return signed_in_by(services.log_in, LoginSerializer, request)

    @extend_schema(request=SecondStepSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"], url_path="login/second")
    @limited("30/m")
    def second(self, request: Request) -> Response:
        """Takes the code that a sign-in still owes, and opens the session. A code is good once."""
        return signed_in_by(services.answer_challenge, SecondStepSerializer, request)

    @extend_schema(request=SupabaseSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    def supabase(self, request: Request) -> Response:
        """The same for whom our Supabase project knows; the first time it finds or makes their account here."""
        return signed_in_by(services.log_in_with_supabase, SupabaseSerializer, request)

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
        """The next pair of tokens.

        A refresh token has one successor: within ten seconds it may be sent again, for a lost answer or a second tab,
        and gives the same pair. Later, or once that pair was exchanged itself, sending it again ends its session.
        """
        token, in_cookies = refresh_token(request)
        try:
            pair = tokens.rotate(token)
        except TokenRefused:
            if in_cookies:
                note_dead_cookies(request)
            raise
        return handed_over(pair, in_cookies=in_cookies)

    @extend_schema(request=RefreshSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    @limited("60/m")
    def logout(self, request: Request) -> Response:
        """Ends this device's session."""
        token, in_cookies = refresh_token(request)
        if in_cookies:
            cookies.end_kept(request)
            return cookies.drop(Response(status=204))
        tokens.end_session(token)
        return Response(status=204)
