"""The second factor: setting it up, replacing it, switching it off.

Locks are taken in one order: the person's row, then their authenticator's.
"""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.db.models.functions import Now

from accounts.errors import EmailNotVerified, SecondFactorMandatory, SecondFactorMissing, WrongCode
from accounts.models import Authenticator, RecoveryCode, Session, User
from accounts.models.second_factor import plain
from accounts.notifications import notify
from accounts.services.codes import authenticator_of, check_code
from accounts.services.signing_in import confirm_password
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The state of a person's second factor."""

    enrolled: bool
    recovery_codes_left: int
    mandatory: bool


def is_mandatory_for(user: User) -> bool:
    """Whether this person must have one. Cost: up to one query."""
    return settings.STAFF_SECOND_FACTOR and user.is_operator


def state_of(user: User) -> SecondFactor:
    """Return the state of the person's second factor. Cost: up to three queries."""
    left = RecoveryCode.objects.filter(user=user).count()
    return SecondFactor(authenticator_of(user) is not None, left, is_mandatory_for(user))


def request_authenticator(user: User, *, password: str, code: str = "") -> Authenticator:
    """Return a new secret, which takes effect once a code of it is confirmed; until then nothing changes.

    A person with a second factor must prove the old one first. The address must be verified, so that a stranger who
    registered it cannot lock its owner out. Raise EmailNotVerified, InvalidInput and TooManyRequests.
    """
    if not user.has_verified_email:
        raise EmailNotVerified("Verify your e-mail address first: open the link that we sent you.")
    reauthenticate(user, password=password, code=code)
    return offer_authenticator(user)


def offer_authenticator(user: User) -> Authenticator:
    """Return a new secret for a person who gave their password just now; an earlier offer is dead."""
    with transaction.atomic():
        _lock(user)
        Authenticator.objects.filter(user=user, confirmed=False).delete()
        offered = Authenticator.of(user)
        offered.save(force_insert=True)
    return offered


def confirm_authenticator(user: User, *, code: str, session: UUID | None) -> list[str]:
    """Activate the offered secret in place of an older one; return the recovery codes, which are shown this once.

    `session` is the API session that asked, if any: it now counts as opened with a second factor. Raise
    SecondFactorMissing if nothing was offered, and InvalidInput for a wrong code.
    """
    with transaction.atomic():
        _lock(user)
        offered = Authenticator.objects.select_for_update().filter(user=user, confirmed=False).first()
        if offered is None:
            raise SecondFactorMissing("Start setting up your second factor first.")
        if offered.verify_token(plain(code)):
            replaced, _ = Authenticator.objects.filter(user=user, confirmed=True).delete()
            offered.confirmed = True
            offered.save(update_fields=["confirmed"])
            if session:
                Session.objects.filter(user=user, pk=session).update(second_factor=True)
            record("user.second_factor_added", user, actor=user, after={"replaced": bool(replaced)})
            notify(user, "second_factor_added", about=offered.pk)
            return RecoveryCode.renew(user)
    raise _wrong_code()


def renew_recovery_codes(user: User, *, password: str, code: str) -> list[str]:
    """Return ten new codes, shown this once; the older ones are dead. Raise SecondFactorMissing, InvalidInput, …"""
    _show_both(user, password, code)
    with transaction.atomic():
        _lock(user)
        record("user.recovery_codes_renewed", user, actor=user)
        notify(user, "recovery_codes_renewed", about=database_now().isoformat())
        return RecoveryCode.renew(user)


def switch_off(user: User, *, password: str, code: str) -> None:
    """Require the password alone from now on. Raise SecondFactorMandatory, SecondFactorMissing, InvalidInput, …"""
    if is_mandatory_for(user):
        raise SecondFactorMandatory("Your role needs a second factor. You can replace it, but not turn it off.")
    _show_both(user, password, code)
    with transaction.atomic():
        _lock(user)
        _remove(user)
        record("user.second_factor_removed", user, actor=user)
        notify(user, "second_factor_removed", about=database_now().isoformat())


def reset_second_factor(user: User) -> bool:
    """Remove the second factor of a person who lost phone and recovery codes; they are signed out everywhere.

    At the next sign-in they give the password and, if a second factor is mandatory, set up another. Return False, and
    do nothing, if they have none.
    """
    with transaction.atomic():
        _lock(user)
        if authenticator_of(user) is None:
            return False
        _remove(user)
        user.sessions.end()
        record("user.second_factor_reset", user)
        notify(user, "second_factor_reset", about=database_now().isoformat())
        _end_in_browsers(user)
    return True


def reauthenticate(user: User, *, password: str, code: str = "") -> None:
    """Check the credentials as at sign-in: the password, and a code if there is a second factor. Raise InvalidInput."""
    confirm_password(user, password, field="password")
    if authenticator_of(user):
        _confirm_code(user, code)


def _show_both(user: User, password: str, code: str) -> None:
    if authenticator_of(user) is None:
        raise SecondFactorMissing("You have no second factor.")
    confirm_password(user, password, field="password")
    _confirm_code(user, code)


def _confirm_code(user: User, code: str) -> None:
    try:
        check_code(user, code)
    except WrongCode as error:
        raise _wrong_code() from error


def _wrong_code() -> InvalidInput:
    return InvalidInput.of("code", "wrong_code", "This code is wrong or was already used. Wait for the next one.")


def _lock(user: User) -> None:
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _remove(user: User) -> None:
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    Session.objects.filter(user=user, second_factor=True).update(second_factor=False)


def _end_in_browsers(user: User) -> None:
    """Sign out of the back office. Its sessions are few, and their person is known only by decoding each one."""
    for kept in BrowserSession.objects.filter(expire_date__gt=Now()):
        if kept.get_decoded().get("_auth_user_id") == str(user.pk):
            kept.delete()
