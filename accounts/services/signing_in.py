"""Signing in with a password, and showing again that one knows it."""

from django.contrib.auth import authenticate
from django.db import transaction

from accounts import attempts
from accounts.errors import WrongCredentials
from accounts.models import User
from accounts.tokens import TokenPair, open_session
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record


def log_in(*, email: str, password: str, user_agent: str) -> tuple[User, TokenPair]:
    """Checks the password and opens a session; raises WrongCredentials, or TooManyRequests after too many failures.

    Cost: one Argon2 hash, whether there is such an account or not.
    """
    attempts.claim(email)
    user = authenticate(username=email.lower(), password=password)
    if not isinstance(user, User):
        raise WrongCredentials("No active account has this e-mail and password.")
    attempts.forgive(email)
    with transaction.atomic():
        pair = open_session(user, user_agent=user_agent)
        record("user.signed_in", user, actor=user)
    return user, pair


def confirm_password(user: User, password: str, *, field: str) -> None:
    """Raises InvalidInput for `field` if it is not this person's; whoever guesses here waits as at the sign-in."""
    attempts.claim(user.email)
    if not user.check_password(password):
        raise InvalidInput.of(field, "wrong_password", "This is not your password.")
    attempts.forgive(user.email)
