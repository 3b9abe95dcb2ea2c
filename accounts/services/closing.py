"""Accounts that staff close and open again, as opposed to those whose person wishes it (`deletion`)."""

from django.db import transaction

from accounts.authority import check_reason, lock_for_staff
from accounts.errors import AccountClosed, AccountOpen
from accounts.models import Deletion, User
from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.clock import database_now


def close_account(person: User, *, actor: User, reason: str) -> None:
    """Sign a person out everywhere and let nobody sign in, until staff open the account again; they are told by mail.

    An account that its person closed stays closed: the link that was mailed to them opens it no more, and the deletion
    goes on. Raises AccountClosed, InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        can_be_kept = known.deletions.filter(status=Deletion.Status.WAITING, can_be_kept=True).exists()
        if not known.is_active and not can_be_kept:
            raise AccountClosed("The account is already closed.")
        _set_active(known, False, actor, reason)


def reopen_account(person: User, *, actor: User, reason: str) -> None:
    """Let a person sign in again, and take back a deletion that waits; they are told by mail.

    Raises AccountOpen, InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        if known.is_active:
            raise AccountOpen("The account is already open.")
        _set_active(known, True, actor, reason)


def _set_active(known: User, is_active: bool, actor: User, reason: str) -> None:
    known.is_active = is_active
    # It ends the sessions, and what becomes of a deletion that waits.
    known.save(update_fields=["is_active"])
    record("user.reopened" if is_active else "user.closed", known, actor=actor, after={"reason": reason})
    notify(known, "changed_by_staff", about=database_now().isoformat(), changed=["is_active"], open=is_active)
