"""Linking of accounts elsewhere to accounts here."""

from typing import Any
from uuid import UUID

from accounts.errors import AccountInactive, PasswordWanted, TokenRefused
from accounts.models import Identity, Session, User
from accounts.notifications import notify
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record

SUPABASE = Identity.Provider.SUPABASE


def check_may_come(user: User) -> None:
    """Check that this person may sign in through an account elsewhere; raise AccountInactive and PasswordWanted."""
    if not user.is_active:
        raise AccountInactive("This account was closed.")
    if user.is_operator:
        raise PasswordWanted("Staff sign in with their password.")


def check_may_link(user: User) -> None:
    """Check that a verified address elsewhere may link to this account; raise as `check_may_come`."""
    check_may_come(user)
    if not user.links_by_address:
        raise PasswordWanted("This account cannot be linked by its address. Sign in with your password.")


def link_identity(user: User, subject: UUID) -> None:
    """Link the Supabase account `subject`, which has verified this person's address, to their account.

    A password that was never proved to be theirs (on accounts verified before that was required) is removed. Call it in
    the transaction that opens the session, after every check of the sign-in; `user` is as read when the sign-in began.
    Raise TokenRefused if the address or password has changed since, and as `check_may_link`.
    """
    known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    check_may_link(known)
    if (known.email, known.password) != (user.email, user.password):
        raise TokenRefused("Your account has changed in the meantime. Please sign in again.")
    facts: dict[str, Any] = {"user": user, "email": user.email}
    # Of two concurrent first sign-ins, the second finds the row of the first.
    identity, is_new = Identity.objects.get_or_create(provider=SUPABASE, subject=subject, defaults=facts)
    if identity.user_id != user.pk:
        raise TokenRefused("This Supabase account is now linked to another account here. Please sign in again.")
    if is_new:
        dropped = _drop_unproven_password(known)
        record_link(identity)
        carry_over_exclusion(known)
        notify(user, "identity_linked", about=identity.pk, password_dropped=dropped)


def _drop_unproven_password(user: User) -> bool:
    """Remove a password that the mailbox's owner never proved or set, and end its sessions; return True if it did."""
    if user.password_proven or not user.has_usable_password():
        return False
    user.set_unusable_password()
    user.save(update_fields=["password"])
    user.sessions.end()
    record("user.password_dropped", user, actor=user)
    return True


def record_link(identity: Identity) -> None:
    """Audit the new link."""
    record("user.linked", identity.user, actor=identity.user, after=_facts(identity))


def stop_linking(user: User) -> None:
    """Stop linking by verified address: a former owner of the mailbox can prove it elsewhere for ever."""
    User.objects.filter(pk=user.pk).update(links_by_address=False)


def end_links(user: User, *, because: str, only: UUID | None = None, staying: UUID | None = None) -> None:
    """Unlink all accounts elsewhere, or the one with id `only`. Call it with the person's row locked.

    If a link existed, every session but `staying` ends, because one of them may have been opened by it.
    """
    found = Identity.objects.filter(user=user, **({"pk": only} if only else {}))
    gone = list(found)
    if not gone:
        return
    found.delete()
    opened = Session.objects.filter(user=user)
    (opened.exclude(pk=staying) if staying else opened).end()
    for identity in gone:
        record("user.unlinked", user, actor=user, after=_facts(identity) | {"because": because})
        notify(user, "identity_unlinked", about=identity.pk)


def _facts(identity: Identity) -> dict[str, str]:
    return {"provider": identity.provider, "subject": str(identity.subject)}
