"""Deletion of a person: the account closes at once, can be restored for a while, and is then pseudonymised."""

from datetime import timedelta
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts import throttle
from accounts.authority import check_authority
from accounts.errors import DeletionBlocked, LinkRefused
from accounts.links import REFUSED, keeping_links
from accounts.models import Deletion, LinkRequest, User
from accounts.models.people import address_of_nobody
from accounts.notifications import notify
from accounts.privacy.erasure import ERASERS, obstacles_of
from accounts.services.exclusions import forget_identifiers, remember_exclusion
from accounts.services.signing_in import confirm_password
from luxewin.audit.services import record
from luxewin.clock import database_now

GRACE = timedelta(days=14)
# How long a due deletion is postponed while a payment is under way.
POSTPONED = timedelta(days=1)


def delete_account(user: User, *, password: str) -> Deletion:
    """Check the person's credentials again, then request deletion. Raise InvalidInput, and as `request_deletion`."""
    confirm_password(user, password, field="password")
    return request_deletion(user, actor=user)


def request_deletion(user: User, *, actor: User, reason: str = "") -> Deletion:
    """Close the account, end every session, and mail a link that cancels the deletion within GRACE.

    `reason` is where staff note how they were asked. Raise DeletionBlocked, which names every obstacle, and
    InsufficientRights. A refused request is audited too. An obstacle that comes up later (a payment that was on its
    way) postpones the deletion.
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
        # Only after saving: the person closed the account, so the person may reopen it.
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
    """Cancel a deletion with the token of its mail; the account is as it was, signed out.

    Raise LinkRefused, also if staff have closed the account since.
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
    """Pseudonymise a person whose grace period is over, or postpone it while there is an obstacle. Idempotent."""
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
    """Remove everything that names this person, in the caller's transaction, with their row locked.

    Their id stays, and so do ledger, proofs and audit, the account's age, and the country, by which taxes and licences
    are reported. A self-exclusion survives.
    """
    remember_exclusion(user)
    throttle.reset_attempts(user.email)
    LinkRequest.objects.filter(email=user.email).delete()
    for erase in ERASERS:
        erase(user)
    # The back office logs the name of each object that staff change.
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
