"""Deleting a person: the account closes at once, can be had back for a while, and then names nobody any more."""

from datetime import timedelta
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts import attempts
from accounts.authority import check_authority
from accounts.errors import DeletionBlocked, LinkRefused
from accounts.links import REFUSED, keeping_links
from accounts.models import Deletion, LinkRequest, User
from accounts.models.people import address_of_nobody
from accounts.notifications import notify
from accounts.privacy.leaving import ERASERS, obstacles_of
from accounts.services.exclusions import forget_identifiers, remember_exclusion
from accounts.services.signing_in import confirm_password
from luxewin.audit.services import record
from luxewin.clock import database_now

GRACE = timedelta(days=14)
# How long it waits where money was under way when it was due.
POSTPONED = timedelta(days=1)


def delete_account(user: User, *, password: str) -> Deletion:
    """What `users/delete` does: they show again who they are. Raises InvalidInput, and as `request_deletion`."""
    confirm_password(user, password, field="password")
    return request_deletion(user, actor=user)


def request_deletion(user: User, *, actor: User, reason: str = "") -> Deletion:
    """Closes the account, ends every session, and mails a link that takes it back within GRACE.

    `reason` is where staff note how they were asked. Raises DeletionBlocked, which names all that stands in the way,
    and InsufficientRights. A refused wish is audited all the same. What comes up later than that (a payment that was on
    its way) postpones the deletion.
    """
    try:
        return _request_deletion(user, actor, reason)
    except DeletionBlocked as refusal:
        codes = sorted({each["code"] for each in refusal.data["obstacles"]})
        after = {"obstacles": codes} | ({"reason": reason} if reason else {})
        record("user.deletion_refused", user, actor=actor, after=after)
        raise


def _request_deletion(user: User, actor: User, reason: str) -> Deletion:
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        check_authority(actor, person)
        if not person.is_active:
            raise DeletionBlocked([{"code": "inactive", "detail": "This account is already closed.", "about": ""}])
        if obstacles := obstacles_of(person):
            raise DeletionBlocked(obstacles)
        person.is_active = False
        person.save(update_fields=["is_active"])
        # After it: it is their own wish that closes the account, which they may take back.
        deletion = Deletion.objects.create(user=person, due_at=database_now() + GRACE)
        after = {"due_at": deletion.due_at.isoformat()} | ({"reason": reason} if reason else {})
        record("user.deletion_requested", person, actor=actor, after=after)
        facts = {"deletion": deletion.pk.hex, "due_at": deletion.due_at.isoformat()}
        notify(person, "deletion_requested", about=deletion.pk, **facts)
    return deletion


def check_keeping_link(*, token: str) -> None:
    """Raise LinkRefused unless `keep_account` would take this token now. Changes nothing; one query."""
    _waiting_for(token, Deletion.objects.select_related("user"))


def keep_account(*, token: str) -> None:
    """Takes a deletion back with the token of its mail; the account is as it was, signed out.

    Raises LinkRefused, also if staff closed the account since.
    """
    with transaction.atomic():
        deletion = _waiting_for(token, Deletion.objects.select_for_update(of=("self",)).select_related("user"))
        deletion.status, deletion.ended_at = Deletion.Status.CANCELLED, Now()
        deletion.save(update_fields=["status", "ended_at"])
        User.objects.filter(pk=deletion.user_id).update(is_active=True)
        record("user.deletion_cancelled", deletion.user, actor=deletion.user)


def _waiting_for(token: str, deletions: QuerySet[Deletion]) -> Deletion:
    deletion_id, stamp = keeping_links.row_of(token)
    deletion = deletions.filter(pk=deletion_id, status=Deletion.Status.WAITING, can_be_kept=True).first()
    if deletion is None or not keeping_links.is_of(stamp, deletion.user):
        raise LinkRefused(REFUSED)
    return deletion


def carry_out_deletion(deletion_id: UUID) -> None:
    """Pseudonymises a person whose time is up, or postpones it while something stands in the way. Idempotent."""
    with transaction.atomic():
        waiting = Deletion.objects.select_for_update().filter(pk=deletion_id, status=Deletion.Status.WAITING)
        deletion = waiting.filter(due_at__lte=Now()).first()
        if deletion is None:
            return
        user = User.objects.select_for_update(no_key=True).get(pk=deletion.user_id)
        if obstacles := obstacles_of(user):
            deletion.obstacles = sorted({each["code"] for each in obstacles})
            deletion.due_at = Now() + POSTPONED
        else:
            pseudonymise(user)
            deletion.obstacles, deletion.status = [], Deletion.Status.DONE
            deletion.ended_at = Now()
        deletion.claimed_until = None
        deletion.save()


def pseudonymise(user: User) -> None:
    """Takes away whatever names this person, in the caller's transaction, behind the lock of their row.

    Their id stays, and with it ledger, proofs and audit; so do the country, which taxes and licences are reported by,
    and the account's age. An exclusion outlives it.
    """
    remember_exclusion(user)
    attempts.forgive(user.email)
    LinkRequest.objects.filter(email=user.email).delete()
    for erase in ERASERS:
        erase(user)
    # The back office writes down by name whom its pages changed.
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).update(object_repr="deleted")
    user.email, user.display_name = address_of_nobody(), "Deleted"
    user.date_of_birth = user.last_login = None
    user.region, user.place_changed_at = "", None
    user.is_active = False
    user.set_unusable_password()
    user.save()
    forget_identifiers(user)
    record("user.deleted", user)
