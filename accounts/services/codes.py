"""Checking codes of the second factor: each code works once, and guessing is slowed down."""

from django.db import transaction

from accounts import throttle
from accounts.errors import WrongCode
from accounts.models import Authenticator, RecoveryCode, User
from accounts.models.second_factor import plain
from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.clock import database_now


def authenticator_of(user: User) -> Authenticator | None:
    """Return the person's confirmed authenticator, or None without a second factor. Cost: one query."""
    return Authenticator.objects.filter(user=user, confirmed=True).first()


def check_code(user: User, code: str) -> None:
    """Check and use up an authenticator code or a recovery code.

    Raise WrongCode, and TooManyRequests after too many wrong ones. When a delay starts, the person is told, because the
    guesser knows the password. Cost: about six statements.
    """
    counted = throttle.claim(throttle.codes_of(user))
    if not _is_right(user, plain(code)):
        if counted == throttle.FREE:
            notify(user, "second_factor_guessed", about=f"{database_now():%Y-%m-%d}")
        record("user.code_refused", user, actor=user)
        raise WrongCode("This code is wrong or was already used. Wait for the next one.")
    throttle.reset_attempts(throttle.codes_of(user))


def _is_right(user: User, code: str) -> bool:
    """Whether the code is right. It is used up by this, so of two concurrent requests only one succeeds."""
    with transaction.atomic():
        if len(code) == RecoveryCode.LENGTH:
            spent = RecoveryCode.spend(user, code)
            if spent:
                left = RecoveryCode.objects.filter(user=user).count()
                record("user.recovery_code_used", user, actor=user, after={"left": left})
                notify(user, "recovery_code_used", about=database_now().isoformat(), left=left)
            return spent
        device = Authenticator.objects.select_for_update().filter(user=user, confirmed=True).first()
        return device is not None and device.verify_token(code)
