"""Authentication by the access token in the Authorization header, or else in a cookie, and its session."""

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.authentication import CSRFCheck
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts.models import Session, User
from accounts.signatures import AccessToken

SESSION_CLAIM = "sid"
# The request attribute that names the cookies to delete in the answer.
DEAD_COOKIES = "dead_cookies"
SIGN_IN_AGAIN = "Please sign in again."
# Raw SQL: it runs for every signed-in request, and the ORM takes longer to build it than the database to answer.
FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 Django's public name for it
FIND = f"""
    SELECT {", ".join(f"person.{name}" for name in FIELDS)}, session.ended_at, session.second_factor
    FROM {Session._meta.db_table} AS session JOIN {User._meta.db_table} AS person ON person.id = session.user_id
    WHERE session.id = %s AND person.id = %s
"""  # noqa: S608, SLF001 names of columns


class BearerAuthentication(JWTAuthentication):
    """simplejwt's token checks, plus one statement for user and session: an ended session is refused.

    Browsers send cookies with any request, whoever caused it: so unless the method is safe, a cookie counts only with
    Django's CSRF token. With an Authorization header, cookies are ignored.

    On public views a bad token or cookie makes the request anonymous: an old sign-in hides nothing that is public. On
    other views it is refused. Dead cookies are noted for `accounts.cookies`.

    With `reads_user=False` there is no statement: the user has only an id, and everything else is loaded when it is
    used. That is for views whose own statement reads the person; it must check that they are active and their session
    is alive.
    """

    def __init__(self, *, reads_user: bool = True) -> None:
        super().__init__()
        self._reads_user = reads_user

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
        """Return user and token, None without a token; raise InvalidToken, AuthenticationFailed, CsrfFailed."""
        try:
            return self._authenticate(request)
        except (AuthenticationFailed, CsrfFailed) as refusal:
            if isinstance(refusal, AuthenticationFailed) and is_in_cookies(request):
                # If the session is over, both cookies are dead; an expired access token says nothing about the session.
                note_dead_cookies(request, is_session=not isinstance(refusal, InvalidToken))
            if _is_public(request):
                return None
            raise

    def _authenticate(self, request: Request) -> tuple[User, Token] | None:
        if not is_in_cookies(request):
            return super().authenticate(request)  # type: ignore[return-value]
        kept = request.COOKIES.get(settings.ACCESS_COOKIE)
        if kept is None:
            return None
        check_csrf(request)
        token = cast(AccessToken, self.get_validated_token(kept.encode()))
        return self.get_user(token), token

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token of the header, whose scheme counts in any case (RFC 9110); None for another scheme."""
        scheme, space, token = header.partition(b" ")
        return super().get_raw_token(b"Bearer" + space + token if scheme.lower() == b"bearer" else header)

    def get_validated_token(self, raw_token: bytes) -> Token:
        """The token; raises InvalidToken in words for the person, whatever is wrong with it."""
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken as error:
            raise InvalidToken(SIGN_IN_AGAIN) from error

    def get_user(self, validated_token: AccessToken) -> User:  # type: ignore[override]  # its type variable is of any user
        """Return the token's user; raise AuthenticationFailed (401) if they or their session are gone or over."""
        try:
            identifier, session = (UUID(validated_token[name]) for name in (api_settings.USER_ID_CLAIM, SESSION_CLAIM))
        except (KeyError, ValueError, AttributeError) as error:
            raise InvalidToken(SIGN_IN_AGAIN) from error
        if not self._reads_user:
            return User.from_db(connection.alias, ["id"], [identifier])
        with connection.cursor() as cursor:
            cursor.execute(FIND, [session, identifier])
            row = cursor.fetchone()
        if row is None:
            raise AuthenticationFailed(SIGN_IN_AGAIN, code="user_not_found")
        *values, ended_at, validated_token.second_factor = row
        if ended_at is not None:
            raise AuthenticationFailed("This session has ended. Please sign in again.", code="session_ended")
        user = User.from_db(connection.alias, FIELDS, values)
        if not user.is_active:
            raise AuthenticationFailed("This account is closed.", code="user_inactive")
        return user


def note_dead_cookies(request: Request, *, is_session: bool = True) -> None:
    """Have the answer delete the access cookie and, if the session is over, the refresh cookie."""
    cookies = (settings.ACCESS_COOKIE, settings.REFRESH_COOKIE) if is_session else (settings.ACCESS_COOKIE,)
    setattr(request._request, DEAD_COOKIES, cookies)  # noqa: SLF001 DRF's public name for it


def _is_public(request: Request) -> bool:
    """Whether the requested view is open to anybody."""
    view = (request.parser_context or {}).get("view")
    return view is not None and all(isinstance(each, AllowAny) for each in view.get_permissions())


class CsrfFailed(PermissionDenied):
    """A request in cookie mode without the CSRF token, or from a foreign origin."""

    default_code = "csrf_failed"


def check_csrf(request: Request) -> None:
    """Raise CsrfFailed (403) unless the method is safe or the request proves that one of our pages sent it."""
    check = CSRFCheck(lambda _: None)  # type: ignore[arg-type,return-value]  # what comes after it is of no interest
    check.process_request(request._request)  # noqa: SLF001 DRF's public name for it
    reason: Any = check.process_view(request._request, None, (), {})  # type: ignore[arg-type]  # noqa: SLF001
    if reason:
        raise CsrfFailed(f"{reason} Fetch a token from auth/csrf and send it as X-CSRFToken.")


def is_in_cookies(request: Request) -> bool:
    """Whether the request is signed in by cookie."""
    return "Authorization" not in request.headers


def session_of(request: Request) -> UUID:
    """Return the session of a signed-in request."""
    return UUID(cast(Token, request.auth)[SESSION_CLAIM])


def has_second_factor(request: Request) -> bool:
    """Whether that session was opened with a second factor."""
    return cast(AccessToken, request.auth).second_factor


class BearerScheme(SimpleJWTScheme):
    """Describe the bearer token, in the header or in a cookie, for the API's document."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = ["bearer", "cookie"]  # type: ignore[assignment]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Require either of the two."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return one definition for each name."""
        described = "Set by `auth/login` with `mode: cookie`. Unsafe methods need `X-CSRFToken` from `auth/csrf`."
        cookie = {"type": "apiKey", "in": "cookie", "name": settings.ACCESS_COOKIE, "description": described}
        return [super().get_security_definition(auto_schema), cookie]
