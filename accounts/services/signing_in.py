"""Signing in with a password and, for those who have one, a second factor; showing the password again."""

from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models.functions import Now

from accounts import attempts
from accounts.challenges import LIFETIME, challenge_for, challenged
from accounts.errors import SecondFactorRequired, WrongCredentials
from accounts.models import Session, User
from accounts.services.codes import authenticator_of, check_code
from accounts.services.linking import link_identity
from accounts.tokens import TokenPair, open_session
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record


def log_in(*, email: str, password: str, user_agent: str, code: str = "") -> tuple[User, TokenPair]:
    """Checks the password, and then lets in as `let_in` does.

    Raises WrongCredentials, or TooManyRequests after too many failures.
    Cost: one Argon2 hash, whether there is such an account or not.
    """
    attempts.claim(email)
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        attempts.note_failure(email, to="api")
        raise WrongCredentials("The e-mail address or the password is wrong, or the account is closed.")
    attempts.forgive(email)
    return user, let_in(user, user_agent=user_agent, code=code)


def answer_challenge(*, challenge: str, code: str, user_agent: str) -> tuple[User, TokenPair]:
    """Lets in whoever gave the password before and gives the code now; raises ChallengeRefused, and as `let_in`."""
    user, link = challenged(challenge)
    return user, let_in(user, user_agent=user_agent, code=code, link=link)


def let_in(user: User, *, user_agent: str, code: str = "", link: UUID | None = None, **audited: Any) -> TokenPair:
    """Opens a session for somebody who has shown who they are; who has a second factor shows that too.

    `link` is the account at Supabase that is linked to theirs with it. Raises SecondFactorRequired without a code, with
    the challenge that takes it; WrongCode, TooManyRequests; with a `link` as `link_identity`.
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
        pair = open_session(user, user_agent=user_agent, second_factor=has_factor)
        record("user.signed_in", user, actor=user, after=audited | {"second_factor": has_factor})
    return pair


def confirm_session(user: User, session_id: UUID, *, password: str) -> None:
    """In this session its person has just shown who they are; raises as `confirm_password` does."""
    confirm_password(user, password, field="password")
    Session.objects.filter(user=user, pk=session_id).update(confirmed_at=Now())


def confirm_password(user: User, password: str, *, field: str) -> None:
    """Raises InvalidInput for `field` if it is not this person's; whoever guesses here waits as at the sign-in."""
    attempts.claim(user.email)
    if not user.check_password(password):
        record("user.password_refused", user, actor=user)
        raise InvalidInput.of(field, "wrong_password", "This is not your password.")
    attempts.forgive(user.email)
