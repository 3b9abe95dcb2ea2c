"""Codes of the second factor, looked at: each is good once, and guessing them is slowed."""

from django.db import transaction

from accounts import attempts
from accounts.errors import WrongCode
from accounts.models import Authenticator, RecoveryCode, User
from accounts.models.second_factor import plain
from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.clock import database_now


def authenticator_of(user: User) -> Authenticator | None:
    """The one that counts, None for who has no second factor. Cost: one query."""
    return Authenticator.objects.filter(user=user, confirmed=True).first()


def check_code(user: User, code: str) -> None:
    """Takes a code of the authenticator or a recovery code; it is good no more then.

    Raises WrongCode, and TooManyRequests after too many wrong ones. When waiting begins, the person is told: whoever
    got that far knows the password. Cost: about six statements.
    """
    counted = attempts.claim(attempts.codes_of(user))
    if not _is_right(user, plain(code)):
        if counted == attempts.FREE:
            notify(user, "second_factor_guessed", about=f"{database_now():%Y-%m-%d}")
        record("user.code_refused", user, actor=user)
        raise WrongCode("This code is wrong or was already used. Wait for the next one.")
    attempts.forgive(attempts.codes_of(user))


def _is_right(user: User, code: str) -> bool:
    """Every code is good once, also of two requests at one moment."""
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
