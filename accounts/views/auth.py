"""Registration, sign-in and sign-out: `auth/…`."""

from django.middleware.csrf import get_token
from django.utils.cache import add_never_cache_headers
from django.utils.translation import get_language_from_request
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import cookies, services, tokens
from accounts.addresses import mailbox_key
from accounts.authentication import note_dead_cookies
from accounts.errors import (
    AccountInactive,
    ChallengeRefused,
    EmailNotVerified,
    LinkRefused,
    NoTerms,
    PasswordWanted,
    SecondFactorRequired,
    SupabaseNotConfigured,
    TokenRefused,
    WrongCode,
    WrongCredentials,
)
from accounts.models import LinkRequest
from accounts.serializers.auth import (
    SIGNED_IN,
    TOKENS,
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
    SupabaseSerializer,
    TokenSerializer,
    VerifyEmailSerializer,
)
from accounts.serializers.safeguards import TermsSerializer
from accounts.serializers.users import ProfileSerializer
from accounts.supabase.asking import SupabaseAway
from accounts.views.responses import asked_for_link, count_mails_to, refresh_token, signed_in_by, token_response, valid
from luxewin.api.ratelimits import by_body_field, limited
from luxewin.api.refusals import CSRF_FAILED, refuses
from luxewin.api.views import StrictViewSet


class AuthViewSet(StrictViewSet):
    """Registration, sign-in and sign-out."""

    permission_classes = [AllowAny]
    # A stale token in the header must not block the sign-in.
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
    @refuses(NoTerms)
    def terms(self, request: Request) -> Response:
        """Return the terms of sale in force, which a buyer must have accepted; 404 while there are none."""
        terms = services.terms_in_force()
        if terms is None:
            raise NoTerms("No terms are in force. You do not have to accept any.")
        return Response(TermsSerializer(terms).data)

    @extend_schema(request=VerifyEmailSerializer, responses=ProfileSerializer)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    @refuses(LinkRefused)
    def verify(self, request: Request) -> Response:
        """Verify the address with the token from the mail and the password; every earlier session ends.

        With `password`, the one chosen at registration, the account stays as it was registered (400 `wrong_password` in
        `errors` otherwise). With `new_password` it starts afresh, because somebody else may have registered the
        address. If either is refused, the token stays valid. Sign in afterwards.
        """
        return Response(ProfileSerializer(services.verify_email(**valid(VerifyEmailSerializer, request))).data)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="verify/resend")
    @limited("60/h")
    def resend(self, request: Request) -> Response:
        """Mail the verification link again if the address is unverified. The answer is the same if it is not."""
        return asked_for_link(LinkRequest.Kind.VERIFY, request)

    @extend_schema(request=AddressSerializer, responses={202: SaidSerializer})
    @action(detail=False, methods=["post"], url_path="password/forgot")
    @limited("60/h")
    def forgot(self, request: Request) -> Response:
        """Mail a link to set a new password if the address has an account. The answer is the same if it has none."""
        return asked_for_link(LinkRequest.Kind.RESET, request)

    @extend_schema(request=ResetSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="password/reset")
    @limited("60/h")
    @refuses(LinkRefused)
    def reset(self, request: Request) -> Response:
        """Set a new password with the token from the mail, which works once within an hour; every session ends."""
        services.reset_password(**valid(ResetSerializer, request))
        return Response(status=204)

    @extend_schema(request=TokenSerializer, responses=EmailChangeSerializer)
    @action(detail=False, methods=["post"], url_path="email/confirm")
    @limited("60/h")
    @refuses(LinkRefused)
    def confirm_email(self, request: Request) -> Response:
        """Confirm a change of address for the mailbox that the token was sent to; both mailboxes must confirm."""
        changed = services.confirm_email_change(**valid(TokenSerializer, request))
        detail = "Your address was changed." if changed else "Now open the link that we sent to your other address."
        return Response({"changed": changed, "detail": detail})

    @extend_schema(request=LoginSerializer, responses=SIGNED_IN)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    @limited("10/m", key=by_body_field("email", mailbox_key))
    @refuses(WrongCredentials, SecondFactorRequired, WrongCode, CSRF_FAILED)
    def login(self, request: Request) -> Response:
        """Open a session on this device; it replaces an older one of the same browser.

        With a second factor and no `code` the answer is 401 `second_factor_required` with a `challenge`, which
        `auth/login/second` accepts for five minutes.
        """
        return signed_in_by(services.log_in, LoginSerializer, request)

    @extend_schema(request=SecondStepSerializer, responses=SIGNED_IN)
    @action(detail=False, methods=["post"], url_path="login/second")
    @limited("30/m")
    @refuses(ChallengeRefused, WrongCode, AccountInactive, PasswordWanted, TokenRefused, CSRF_FAILED)
    def second(self, request: Request) -> Response:
        """Check the code that a sign-in still needs, and open the session. A code works once."""
        return signed_in_by(services.complete_second_factor, SecondStepSerializer, request)

    @extend_schema(request=SupabaseSerializer, responses=SIGNED_IN)
    @action(detail=False, methods=["post"])
    @limited("30/m")
    @refuses(
        AccountInactive,
        EmailNotVerified,
        PasswordWanted,
        SecondFactorRequired,
        SupabaseAway,
        SupabaseNotConfigured,
        TokenRefused,
        CSRF_FAILED,
    )
    def supabase(self, request: Request) -> Response:
        """Open a session with a Supabase access token; the first time, find or make the account of its address."""
        return signed_in_by(services.log_in_with_supabase, SupabaseSerializer, request)

    @extend_schema(responses=CsrfSerializer)
    @action(detail=False, methods=["get"])
    def csrf(self, request: Request) -> Response:
        """Return the token that cookie mode sends as X-CSRFToken with POST, PATCH and DELETE; sign-in changes it."""
        response = Response({"csrf_token": get_token(request._request)})  # noqa: SLF001 DRF's public name for it
        add_never_cache_headers(response)
        return response

    @extend_schema(request=RefreshSerializer, responses=TOKENS)
    @action(detail=False, methods=["post"])
    @limited("60/m")
    @refuses(TokenRefused, CSRF_FAILED)
    def refresh(self, request: Request) -> Response:
        """Return the next pair of tokens.

        A refresh token has one successor: within ten seconds it may be sent again, for a lost answer or a second tab,
        and gives the same pair. Sending it later, or after that pair was used itself, ends its session.
        """
        token, in_cookies = refresh_token(request)
        try:
            pair = tokens.rotate(token)
        except TokenRefused:
            if in_cookies:
                note_dead_cookies(request)
            raise
        return token_response(pair, in_cookies=in_cookies)

    @extend_schema(request=RefreshSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    @limited("60/m")
    @refuses(TokenRefused, CSRF_FAILED)
    def logout(self, request: Request) -> Response:
        """End this device's session."""
        token, in_cookies = refresh_token(request)
        if in_cookies:
            cookies.end_kept(request)
            return cookies.drop(Response(status=204))
        tokens.end_session(token)
        return Response(status=204)
