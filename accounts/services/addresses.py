"""A change of e-mail address: it takes effect once the owners of both addresses, or support, have agreed."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.addresses import canonical_address, mailbox_key
from accounts.authority import check_reason, lock_for_staff
from accounts.errors import EmailNotVerified, LinkRefused
from accounts.links import change_of
from accounts.models import EmailChange, User
from accounts.notifications import notify
from accounts.services.exclusions import carry_over_exclusion
from accounts.services.linking import end_links
from accounts.services.signing_in import confirm_password
from accounts.services.unclaimed import is_nobody_s, release_unverified_email, take_turns
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now


def request_email_change(user: User, *, email: str, password: str) -> None:
    """Mail a link to both addresses, and cancel this person's earlier request.

    If the new address has an account, its owner gets a hint instead, and nothing else differs. Raise EmailNotVerified,
    so that nobody makes us write to an address that is not theirs; InvalidInput for a wrong password, and for the
    address that the person already has.
    """
    if not user.has_verified_email:
        raise EmailNotVerified("Verify your current address first, or register with the other one.")
    confirm_password(user, password, field="password")
    email = canonical_address(email)
    if email == user.email:
        raise InvalidInput.of("email", "same_email", "This is already your address.")
    with transaction.atomic():
        # If two requests come at once, the later one wins.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        EmailChange.objects.filter(user=user).delete()
        record("user.email_change_requested", user, actor=user)
        change = EmailChange.objects.create(user=user, email=email)
        facts = {"change": change.pk.hex, "email": email}
        notify(user, "email_change_old", about=change.pk, **facts)
        owner = User.objects.filter(mailbox=mailbox_key(email)).exclude(pk=user.pk).first()
        if owner and not is_nobody_s(owner):
            notify(owner, "already_registered", about=f"{database_now():%Y-%m-%d}")
        else:
            notify(user, "email_change_new", about=change.pk, to=email, **facts)


def change_email_for(person: User, *, email: str, actor: User, reason: str) -> None:
    """Change a person's address on their request to support: it takes effect once the new mailbox has opened its link.

    Support agrees in place of the old mailbox, which may be lost; the old mailbox is still told. An earlier request is
    cancelled. Raise InvalidInput, also if an account has the address; InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    email = canonical_address(email)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        if email == known.email:
            raise InvalidInput.of("email", "same_email", "This is already the person's address.")
        owner = User.objects.filter(mailbox=mailbox_key(email)).exclude(pk=known.pk).first()
        if owner and not is_nobody_s(owner):
            raise InvalidInput.of("email", "taken", "Another account has this address.")
        EmailChange.objects.filter(user=known).delete()
        change = EmailChange.objects.create(user=known, email=email, old_confirmed_at=Now())
        record("user.email_change_requested", known, actor=actor, after={"by": "support", "reason": reason})
        if known.has_verified_email:
            notify(known, "email_change_told", about=change.pk, email=email)
        notify(known, "email_change_new", about=change.pk, to=email, change=change.pk.hex, email=email, by_staff=True)


def check_email_change_link(*, token: str) -> None:
    """Raise LinkRefused unless `confirm_email_change` would take this token now. Changes nothing; one query."""
    change_id, side = change_of(token)
    _check_unused(EmailChange.objects.filter(pk=change_id, user__is_active=True).first(), side)


def confirm_email_change(*, token: str) -> bool:
    """Record one side's consent; return True if it was the second and the address is changed. Raise LinkRefused."""
    change_id, side = change_of(token)
    try:
        with transaction.atomic():
            change = _check_unused(_locked(change_id), side)
            setattr(change, f"{side}_confirmed_at", Now())
            change.save(update_fields=[f"{side}_confirmed_at"])
            record("user.email_change_confirmed", change.user, actor=change.user, after={"side": side})
            if change.old_confirmed_at is None or change.new_confirmed_at is None:
                return False
            _apply(change)
    except IntegrityError as error:
        raise LinkRefused("Another account has this address now.") from error
    return True


def _check_unused(change: EmailChange | None, side: str) -> EmailChange:
    if change is None or getattr(change, f"{side}_confirmed_at"):
        raise LinkRefused("This link was already used, or you have asked for another change since.")
    return change


def _locked(change_id: UUID) -> EmailChange | None:
    """Return the change with its person's row locked, as every service that changes a person does."""
    waiting = EmailChange.objects.filter(pk=change_id).first()
    if waiting:
        # Serialize registrations of the mailbox before locking the person who holds it.
        take_turns(mailbox_key(waiting.email))
    people = User.objects.select_for_update(of=("self",), no_key=True).filter(is_active=True)
    if people.filter(email_change=change_id).first() is None:
        return None
    return EmailChange.objects.select_for_update(of=("self",)).select_related("user").filter(pk=change_id).first()


def _apply(change: EmailChange) -> None:
    user = change.user
    # An account that registered there and never verified the address does not stand in the way.
    holder = release_unverified_email(change.email)
    if holder and holder.pk != user.pk:
        raise LinkRefused("Another account has this address now.")
    was_theirs = user.has_verified_email
    # An exclusion stays tied to the old address, and one tied to the new address now applies to the person.
    before, user.email, user.email_verified_at = user.email, change.email, Now()
    user.save(update_fields=["email", "email_verified_at"])
    carry_over_exclusion(user)
    # Linked accounts elsewhere proved the old mailbox, which somebody else may read now.
    end_links(user, because="new address")
    # Addresses are left out, since the audit is kept for ever. Both mailboxes were told.
    record("user.email_changed", user, actor=user, after={"changed": ["email"]})
    if was_theirs:
        notify(user, "email_changed", about=change.pk, to=before, email=user.email)
    change.delete()
