"""Closing and reopening accounts by staff; deletions that a person asks for are in `deletion`."""

from django.db import transaction

from accounts.authority import check_reason, lock_for_staff
from accounts.errors import AccountClosed, AccountOpen
from accounts.models import Deletion, User
from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.clock import database_now


def close_account(person: User, *, actor: User, reason: str) -> None:
    """Sign a person out everywhere and block their sign-in until staff reopen the account; they are told by mail.

    If the person had asked for deletion, the mailed link no longer reopens the account, and the deletion goes on. Raise
    AccountClosed, InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        can_be_kept = known.deletions.filter(status=Deletion.Status.WAITING, can_be_kept=True).exists()
        if not known.is_active and not can_be_kept:
            raise AccountClosed("The account is already closed.")
        _set_active(known, False, actor, reason)


def reopen_account(person: User, *, actor: User, reason: str) -> None:
    """Let a person sign in again, and cancel a waiting deletion; they are told by mail.

    Raise AccountOpen, InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        if known.is_active:
            raise AccountOpen("The account is already open.")
        _set_active(known, True, actor, reason)


def _set_active(known: User, is_active: bool, actor: User, reason: str) -> None:
    known.is_active = is_active
    # `save` ends the sessions and settles a waiting deletion.
    known.save(update_fields=["is_active"])
    record("user.reopened" if is_active else "user.closed", known, actor=actor, after={"reason": reason})
    notify(known, "changed_by_staff", about=database_now().isoformat(), changed=["is_active"], open=is_active)
