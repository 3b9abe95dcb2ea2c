"""New passwords: by a mailed link, with the old one, or by support."""

from django.db import transaction

from accounts import throttle
from accounts.authority import check_reason, lock_for_staff
from accounts.links import reset_links
from accounts.models import EmailChange, User
from accounts.notifications import notify
from accounts.passwords import faults_of, fold
from accounts.services.linking import end_links, stop_linking
from accounts.services.signing_in import confirm_password
from accounts.services.unclaimed import claim
from accounts.tokens import TokenPair, open_session
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now


def reset_password(*, token: str, password: str) -> None:
    """Set a new password with the token of a mail, and use the token up.

    If the address was unverified, the link verifies it, as `verify_email` with a new password. Since this is how an
    owner regains an account, every other way in ends too: sessions, links to accounts elsewhere (no address restores
    them), and a pending change of address. Raise LinkRefused, or InvalidInput for a weak password, after which the
    token still works.
    """
    check_new_password(password, reset_links.user_of(token))
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=reset_links.user_of(token).pk)
        # Read again under the lock: of two concurrent uses, the second finds its token used.
        reset_links.user_of(token)
        if user.has_verified_email:
            user.password_proven = True
            _set(user, password, "user.password_reset")
        else:
            # The mail proves the address; anything a stranger prepared under it is discarded.
            user = claim(user, password)
            record("user.verified", user, actor=user)
        stop_linking(user)
        end_links(user, because="password reset")
        EmailChange.objects.filter(user=user).delete()
    throttle.reset_attempts(user.email)


def change_password(
    user: User, *, current_password: str, new_password: str, user_agent: str, second_factor: bool
) -> TokenPair:
    """Set a new password and end every session; the requesting device gets a new one.

    `second_factor` says whether the old session was opened with a second factor; the new one then counts as such too.
    Raise InvalidInput for a wrong or weak password, and TooManyRequests after too many wrong ones.
    """
    _check_change(user, current_password, new_password)
    with transaction.atomic():
        _set(user, new_password, "user.password_changed")
        return open_session(user, user_agent=user_agent, second_factor=second_factor)


def change_password_in_back_office(user: User, *, current_password: str, new_password: str) -> None:
    """Set a new password from the admin site, which renews its own session; raises as `change_password` does."""
    _check_change(user, current_password, new_password)
    with transaction.atomic():
        _set(user, new_password, "user.password_changed")


def set_password_for(person: User, *, password: str | None, actor: User, reason: str) -> None:
    """Set or remove (None) a person's password on their request to support, and tell them by mail.

    As with a mailed link, every other way in ends: sessions, links to accounts elsewhere, a pending change of address.
    Raise InvalidInput for a weak password and without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    if password is not None:
        check_new_password(password, person)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        known.set_password(password)
        known.password_proven = False
        known.save(update_fields=["password", "password_proven"])
        # Removing a password is no change to Django, so `User.save` has not ended the sessions.
        known.sessions.end()
        stop_linking(known)
        end_links(known, because="password set by support")
        EmailChange.objects.filter(user=known).delete()
        record("user.password_set", known, actor=actor, after={"usable": password is not None, "reason": reason})
        notify(known, "password_set_by_staff", about=database_now().isoformat(), usable=password is not None)
    throttle.reset_attempts(known.email)


def _check_change(user: User, current_password: str, new_password: str) -> None:
    confirm_password(user, current_password, field="current_password")
    if fold(new_password) == fold(current_password):
        raise InvalidInput.of("new_password", "same_password", "This is already your password.")
    check_new_password(new_password, user, field="new_password")


def _set(user: User, password: str, action: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password", "password_proven"])
    record(action, user, actor=user)
    notify(user, "password_changed", about=database_now().isoformat())


def check_new_password(password: str, user: User, *, field: str = "password") -> None:
    """Raise InvalidInput that names every fault of the password."""
    if faults := faults_of(password, user):
        raise InvalidInput([{"field": field, "code": str(fault.code), "detail": str(fault)} for fault in faults])
