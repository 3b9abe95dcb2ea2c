"""Sign-in with a password and an optional second factor, and confirmation of the password."""

from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models.functions import Now

from accounts import throttle
from accounts.challenges import LIFETIME, challenge_for, challenged
from accounts.errors import SecondFactorRequired, WrongCredentials
from accounts.models import Session, User
from accounts.services.codes import authenticator_of, check_code
from accounts.services.linking import link_identity
from accounts.services.new_devices import is_new_device, tell_of_new_device
from accounts.tokens import TokenPair, first_pair, start_session
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record


def log_in(*, email: str, password: str, user_agent: str, code: str = "") -> tuple[User, TokenPair]:
    """Check the password, then sign in as `finish_sign_in` does.

    Raise WrongCredentials, or TooManyRequests after too many failures. Cost: one Argon2 hash, whether there is such an
    account or not.
    """
    throttle.claim(email)
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        throttle.note_failure(email, to="api")
        raise WrongCredentials("The e-mail address or the password is wrong, or the account is closed.")
    throttle.reset_attempts(email)
    return user, finish_sign_in(user, user_agent=user_agent, code=code)


def complete_second_factor(*, challenge: str, code: str, user_agent: str) -> tuple[User, TokenPair]:
    """Sign in with a code after the password. Raise ChallengeRefused, and what `finish_sign_in` raises."""
    user, link = challenged(challenge)
    return user, finish_sign_in(user, user_agent=user_agent, code=code, link=link)


def finish_sign_in(
    user: User, *, user_agent: str, code: str = "", link: UUID | None = None, **audited: Any
) -> TokenPair:
    """Open a session for a person who has proved who they are; check the code of their second factor, if any.

    `link` is the account at Supabase that is linked to theirs with it. Raise SecondFactorRequired without a code, with
    the challenge for it; WrongCode, TooManyRequests; with a `link` as `link_identity`.
    """
    has_factor = authenticator_of(user) is not None
    if has_factor and not code:
        seconds = int(LIFETIME.total_seconds())
        said = "Send the code of your authenticator app, or a recovery code, to auth/login/second."
        raise SecondFactorRequired(said, challenge=challenge_for(user, link=link), expires_in=seconds)
    if has_factor:
        check_code(user, code)
    with transaction.atomic():
        if link:
            link_identity(user, link)
        # That an account was linked is told in a mail of its own.
        is_news = not link and is_new_device(user, user_agent)
        session = start_session(user, user_agent=user_agent, second_factor=has_factor)
        if is_news:
            tell_of_new_device(user, user_agent=user_agent, about=session.pk, at=session.created_at)
        record("user.signed_in", user, actor=user, after=audited | {"second_factor": has_factor})
    return first_pair(session)


def confirm_session(user: User, session_id: UUID, *, password: str) -> None:
    """Record that the person has just proved who they are in this session; raise as `confirm_password`."""
    confirm_password(user, password, field="password")
    Session.objects.filter(user=user, pk=session_id).update(confirmed_at=Now())


def confirm_password(user: User, password: str, *, field: str) -> None:
    """Raise InvalidInput for `field` if it is not this person's password; wrong tries are delayed as at sign-in."""
    throttle.claim(user.email)
    if not user.check_password(password):
        record("user.password_refused", user, actor=user)
        raise InvalidInput.of(field, "wrong_password", "This is not your password.")
    throttle.reset_attempts(user.email)
