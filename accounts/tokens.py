"""Sessions and tokens: simplejwt makes and checks tokens, the session's row decides whether they are valid."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.authentication import SESSION_CLAIM
from accounts.authority import check_authority, check_reason
from accounts.errors import ConfirmationNeeded, SessionNotFound, TokenRefused
from accounts.models import Session, User
from accounts.signatures import RefreshToken
from accounts.signing_keys import ring
from luxewin.api.requests import current_request
from luxewin.audit.services import record
from luxewin.clock import database_now


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A short-lived access token and the single-use refresh token that gets the next pair."""

    access: str
    refresh: str


def open_session(user: User, *, user_agent: str, second_factor: bool = False) -> TokenPair:
    """Open a session and return its first tokens; see `start_session`."""
    return first_pair(start_session(user, user_agent=user_agent, second_factor=second_factor))


def start_session(user: User, *, user_agent: str, second_factor: bool = False) -> Session:
    """Open a session; it records whether a second factor was given. Cost: one INSERT."""
    session = Session(user=user, token_id=uuid4(), user_agent=user_agent[:200], address=current_request().address)
    session.second_factor = second_factor
    session.save(force_insert=True)
    return session


def first_pair(session: Session) -> TokenPair:
    """Return the tokens of a session that was just opened."""
    return _pair(session.user, session.id, session.token_id, *_stamp())


def rotate(refresh: str) -> TokenPair:
    """Exchange a refresh token for the next pair.

    Sent again within REPEATED_WITHIN, it gives the same pair, byte for byte, unless that pair was exchanged itself:
    this serves two tabs, or a client that lost the answer. Later it means that somebody copied the token, and its whole
    session ends. Raise TokenRefused.
    """
    claims = _claims(refresh)
    session_id, new, (issued_at, kid) = claims.session, uuid4(), _stamp()
    with transaction.atomic():
        rows, old = Session.objects, claims.token
        if rows.rotate(session=session_id, old=old, new=new, issued_at=issued_at, signed_by=kid):
            given: tuple[UUID, int, str] | None = (new, issued_at, kid)
        else:
            given = rows.successor_of(old, session=session_id)
        user = User.objects.filter(sessions=session_id, is_active=True).first() if given else None
    if given is None or user is None:
        _end(session_id, "session.reused")
        raise TokenRefused("This session has ended. Please sign in again.")
    return _pair(user, session_id, *given)


def end_session(refresh: str) -> None:
    """Sign out: end the session of this refresh token. Raise TokenRefused if it is not one of our refresh tokens."""
    session_id = _claims(refresh).session
    _end(session_id, "session.ended", actor=User.objects.filter(sessions=session_id).first())


def end_one(user: User, session_id: UUID, *, by: UUID) -> None:
    """Sign out one device of this person; `by` is the session of the same or another device.

    Raise ConfirmationNeeded, and SessionNotFound if the device is not signed in (any more) or not theirs.
    """
    if session_id != by:
        _check_confirmed(by)
    if not _end(session_id, "session.ended", actor=user, user=user):
        raise SessionNotFound("You have no session with this id.")


def end_others(user: User, session_id: UUID) -> None:
    """Sign out every device of this person except this session's; raise ConfirmationNeeded."""
    _check_confirmed(session_id)
    with transaction.atomic():
        count = Session.objects.filter(user=user).exclude(pk=session_id).end()
        record("user.signed_out_elsewhere", user, actor=user, after={"sessions": count})


def _check_confirmed(session_id: UUID) -> None:
    if not Session.objects.confirmed().filter(pk=session_id).exists():
        raise ConfirmationNeeded("Send your password to auth/sessions/confirm first, or sign in again.")


def end_by_staff(session: Session, *, actor: User, reason: str) -> bool:
    """Sign this device out; return False if it was not signed in.

    Raise InvalidInput without a reason, and InsufficientRights if its person has a right that the actor lacks.
    """
    check_reason(reason)
    check_authority(actor, session.user)
    return _end(session.pk, "session.ended", actor=actor, reason=reason)


def _end(session_id: UUID, action: str, *, actor: User | None = None, reason: str = "", **owner: User) -> bool:
    """End one session; return False, and write nothing, if it was not alive."""
    with transaction.atomic():
        ended = Session.objects.filter(pk=session_id, **owner).end() == 1
        if ended:
            user_id = Session.objects.values_list("user_id", flat=True).get(pk=session_id)
            after = {"user": str(user_id)} | ({"reason": reason} if reason else {})
            record(action, Session(pk=session_id), actor=actor, after=after)
    return ended


@dataclass(frozen=True, slots=True)
class _Claims:
    session: UUID
    token: UUID


def _claims(refresh: str) -> _Claims:
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]  # the stubs forget that it reads text
        return _Claims(UUID(str(token.payload[SESSION_CLAIM])), UUID(str(token.payload[api_settings.JTI_CLAIM])))
    except (TokenError, KeyError, ValueError) as error:
        raise TokenRefused("Please sign in again.") from error


def _stamp() -> tuple[int, str]:
    """When tokens are issued that are made now, and by which key they are signed."""
    now = database_now()
    return int(now.timestamp()), ring().signing(now).kid


def _pair(user: User, session_id: UUID, token_id: UUID, issued_at: int, kid: str) -> TokenPair:
    """Both tokens; nothing else goes into them, so that the same arguments give the same bytes."""
    refresh = RefreshToken()
    refresh.current_time = datetime.fromtimestamp(issued_at, UTC)
    refresh[api_settings.USER_ID_CLAIM] = str(user.id)
    refresh[SESSION_CLAIM] = session_id.hex
    access = refresh.access_token
    for token, jti in ((refresh, token_id), (access, uuid5(token_id, "access"))):
        token[api_settings.JTI_CLAIM] = jti.hex
        token.set_iat(at_time=refresh.current_time)
        token.set_exp(from_time=refresh.current_time)
    key = ring().named(kid)
    signed = (token.get_token_backend().sign(token.payload, key) for token in (access, refresh))  # type: ignore[attr-defined]
    return TokenPair(*signed)
