"""Access and refresh tokens: simplejwt makes and checks them, the session row decides whether a refresh is good."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.errors import TokenRefused
from accounts.models import Session, User
from luxewin.api.requests import current_request

SESSION_CLAIM = "sid"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A short-lived access token and the single-use refresh token that gets the next pair."""

    access: str
    refresh: str


def open_session(user: User, *, user_agent: str) -> TokenPair:
    """A new session and its first tokens. Cost: one INSERT."""
    session = Session(user=user, token_id=uuid4(), user_agent=user_agent[:200], address=current_request().address)
    session.save(force_insert=True)
    return _pair(user, session.id, session.token_id)


def rotate(refresh: str) -> TokenPair:
    """Exchanges a refresh token for the next pair, once.

    A token that was exchanged before was copied by somebody: its whole session ends. Raises TokenRefused.
    """
    claims = _claims(refresh)
    session_id, old, new = claims.session, claims.token, uuid4()
    with transaction.atomic():
        rotated = Session.objects.rotate(session=session_id, old=old, new=new)
        user = User.objects.filter(sessions=session_id, is_active=True).first() if rotated else None
    if user is None:
        Session.objects.filter(pk=session_id).end()
        raise TokenRefused("This session has ended. Sign in again.")
    return _pair(user, session_id, new)


def end_session(refresh: str) -> None:
    """Signs out: the session of this refresh token ends. Raises TokenRefused if it is no refresh token of ours."""
    Session.objects.filter(pk=_claims(refresh).session).end()


@dataclass(frozen=True, slots=True)
class _Claims:
    session: UUID
    token: UUID


def _claims(refresh: str) -> _Claims:
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]  # the stubs forget that it reads text
        return _Claims(UUID(str(token.payload[SESSION_CLAIM])), UUID(str(token.payload[api_settings.JTI_CLAIM])))
    except (TokenError, KeyError, ValueError) as error:
        raise TokenRefused("This is not a valid refresh token.") from error


def _pair(user: User, session_id: UUID, token_id: UUID) -> TokenPair:
    refresh = RefreshToken()
    refresh[api_settings.USER_ID_CLAIM] = str(user.id)
    refresh[api_settings.JTI_CLAIM] = token_id.hex
    refresh[SESSION_CLAIM] = session_id.hex
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh))
