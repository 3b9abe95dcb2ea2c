"""Who is asking, by the access token in the Authorization header or else in a cookie, and in which session."""

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
# Where a request says which cookies its answer is to drop.
DEAD_COOKIES = "dead_cookies"
SIGN_IN_AGAIN = "Please sign in again."
# Every request of a signed-in person begins with it, and the ORM takes longer to write it than the database to answer.
FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 Django's public name for it
FIND = f"""
    SELECT {", ".join(f"person.{name}" for name in FIELDS)}, session.ended_at, session.second_factor
    FROM {Session._meta.db_table} AS session JOIN {User._meta.db_table} AS person ON person.id = session.user_id
    WHERE session.id = %s AND person.id = %s
"""  # noqa: S608, SLF001 names of columns


class BearerAuthentication(JWTAuthentication):
    """simplejwt's checks of the token, and one statement for its user and session: one that was ended is refused.

    A cookie comes along by itself, whoever made the browser ask: what it says counts only with Django's CSRF token,
    unless the method is a safe one. Where there is an Authorization header, cookies are not looked at.

    Where anybody may ask, whoever asks with a token or a cookie that is not good (any more) is anybody: an old sign-in
    hides nothing that is public. Elsewhere it is refused. Cookies found dead are noted for `accounts.cookies`.

    With `reads_user=False` there is no statement: the user knows their id, and whatever else is asked of them is read
    then. That is for views whose own statement reads the person; that they are active and their session has not ended
    is for it to check.
    """

    def __init__(self, *, reads_user: bool = True) -> None:
        super().__init__()
        self._reads_user = reads_user

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
        """The user and their token, None without either; raises InvalidToken, AuthenticationFailed, CsrfFailed."""
        try:
            return self._authenticate(request)
        except (AuthenticationFailed, CsrfFailed) as refusal:
            if isinstance(refusal, AuthenticationFailed) and is_in_cookies(request):
                # Without its session nothing of it is good; a token that has expired says nothing of the session.
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

    def get_validated_token(self, raw_token: bytes) -> Token:
        """The token; raises InvalidToken in words for the person, whatever is wrong with it."""
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken as error:
            raise InvalidToken(SIGN_IN_AGAIN) from error

    def get_user(self, validated_token: AccessToken) -> User:  # type: ignore[override]  # its type variable is of any user
        """The token's user; raises AuthenticationFailed (401) if they or their session are gone, ended or inactive."""
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
    """Has the answer to this request drop the access cookie and, if the session is over, the refresh cookie."""
    cookies = (settings.ACCESS_COOKIE, settings.REFRESH_COOKIE) if is_session else (settings.ACCESS_COOKIE,)
    setattr(request._request, DEAD_COOKIES, cookies)  # noqa: SLF001 DRF's public name for it


def _is_public(request: Request) -> bool:
    """Whether the view that was asked is open to anybody."""
    view = (request.parser_context or {}).get("view")
    return view is not None and all(isinstance(each, AllowAny) for each in view.get_permissions())


class CsrfFailed(PermissionDenied):
    """A request in cookie mode without the CSRF token, or from an origin that is not ours."""

    default_code = "csrf_failed"


def check_csrf(request: Request) -> None:
    """Raises CsrfFailed (403) unless the method is safe or the request shows that a page of ours sent it."""
    check = CSRFCheck(lambda _: None)  # type: ignore[arg-type,return-value]  # what comes after it is of no interest
    check.process_request(request._request)  # noqa: SLF001 DRF's public name for it
    reason: Any = check.process_view(request._request, None, (), {})  # type: ignore[arg-type]  # noqa: SLF001
    if reason:
        raise CsrfFailed(f"{reason} Fetch a token from auth/csrf and send it as X-CSRFToken.")


def is_in_cookies(request: Request) -> bool:
    """Whether a signed-in person asks in cookie mode."""
    return "Authorization" not in request.headers


def session_of(request: Request) -> UUID:
    """The session in which a signed-in person asks."""
    return UUID(cast(Token, request.auth)[SESSION_CLAIM])


def has_second_factor(request: Request) -> bool:
    """Whether that session was opened with a second factor."""
    return cast(AccessToken, request.auth).second_factor


class BearerScheme(SimpleJWTScheme):
    """Tells the API's document that this is a bearer token, or the same token in a cookie."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = ["bearer", "cookie"]  # type: ignore[assignment]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """One for each name."""
        described = "Set by `auth/login` with `mode: cookie`. Unsafe methods need `X-CSRFToken` from `auth/csrf`."
        cookie = {"type": "apiKey", "in": "cookie", "name": settings.ACCESS_COOKIE, "description": described}
        return [super().get_security_definition(auto_schema), cookie]
