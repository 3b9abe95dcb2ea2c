"""Accounts elsewhere, linked to one here and unlinked again."""

from typing import Any
from uuid import UUID

from accounts.errors import AccountInactive, PasswordWanted, TokenRefused
from accounts.models import Identity, Session, User
from accounts.notifications import notify
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record

SUPABASE = Identity.Provider.SUPABASE


def check_may_come(user: User) -> None:
    """Whether this person may sign in through somebody else; raises AccountInactive and PasswordWanted."""
    if not user.is_active:
        raise AccountInactive("This account was closed.")
    if user.is_operator:
        raise PasswordWanted("Staff sign in with their password.")


def check_may_link(user: User) -> None:
    """Whether a verified address elsewhere is enough to link to this account; raises as `check_may_come`."""
    check_may_come(user)
    if not user.links_by_address:
        raise PasswordWanted("This account cannot be linked by its address. Sign in with your password.")


def link_identity(user: User, subject: UUID) -> None:
    """From now on Supabase's account `subject`, which showed this person's address, opens their account.

    A password that was not shown to be theirs (of accounts verified before that was asked for) is gone then.
    Call it in the transaction that opens the session, after everything was shown that a sign-in wants; `user` is as
    they were when that began. Raises TokenRefused if they have another address or password by now, and as
    `check_may_link`.
    """
    known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    check_may_link(known)
    if (known.email, known.password) != (user.email, user.password):
        raise TokenRefused("Your account has changed in the meantime. Please sign in again.")
    facts: dict[str, Any] = {"user": user, "email": user.email}
    # Of two first sign-ins at one moment the second finds what the first wrote.
    identity, is_new = Identity.objects.get_or_create(provider=SUPABASE, subject=subject, defaults=facts)
    if identity.user_id != user.pk:
        raise TokenRefused("This Supabase account is now linked to another account here. Please sign in again.")
    if is_new:
        dropped = _drop_unproven_password(known)
        record_link(identity)
        carry_over_exclusion(known)
        notify(user, "identity_linked", about=identity.pk, password_dropped=dropped)


def _drop_unproven_password(user: User) -> bool:
    """Takes away a password that nobody who reads the mailbox has given or set, with its sessions; True if it did."""
    if user.password_proven or not user.has_usable_password():
        return False
    user.set_unusable_password()
    user.save(update_fields=["password"])
    user.sessions.end()
    record("user.password_dropped", user, actor=user)
    return True


def record_link(identity: Identity) -> None:
    """The audit's row."""
    record("user.linked", identity.user, actor=identity.user, after=_facts(identity))


def stop_linking(user: User) -> None:
    """From now on an address verified elsewhere links nothing: who had the mailbox once can show it for ever."""
    User.objects.filter(pk=user.pk).update(links_by_address=False)


def end_links(user: User, *, because: str, only: UUID | None = None, staying: UUID | None = None) -> None:
    """Unlinks all accounts elsewhere, or the one of id `only`. Call it behind the lock of the person's row.

    Whoever came in by one is out: where there was one, every session ends but `staying`.
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
