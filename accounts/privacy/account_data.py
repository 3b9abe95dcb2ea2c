"""Personal data held by accounts and the packages below it: exports, deletions and rules of retention."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import merge
from operator import itemgetter
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session as BackOfficeSession
from django.db import transaction
from django.db.models import Model, ProtectedError, Q, QuerySet
from django.db.models.functions import Now
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_q.models import Failure, Success

from accounts.models import (
    BlockedAddress,
    Deletion,
    EmailChange,
    ExcludedAddress,
    Export,
    ForgottenSubscriber,
    FormerIdentifier,
    Identity,
    LinkRequest,
    Notification,
    Preferences,
    RecoveryCode,
    Safeguards,
    Session,
    SignInDelay,
    SpendLimit,
    TermsAcceptance,
    User,
)
from accounts.models.people import NOWHERE
from accounts.privacy import exports, retention
from accounts.privacy.erasure import Obstacle, eraser, obstacle, obstacles_of
from luxewin.audit.models import AuditEntry
from luxewin.clock import database_now

log = logging.getLogger(__name__)


def _profile(user: User) -> Iterator[dict[str, Any]]:
    row = next(exports.rows_of(User.objects.filter(pk=user.pk), "password"))
    yield row | {"groups": [group.name for group in user.groups.order_by("name")]}


def audit_rows(found: QuerySet[AuditEntry], user: User) -> Iterator[dict[str, Any]]:
    """Return audit rows as their subject may read them: without other actors and their addresses."""
    for row in exports.rows_of(found.order_by("pk")):
        mine = row.pop("actor") == user.pk
        acted_from, request_id = row.pop("address"), row.pop("request_id")
        yield row | ({"by": "you", "address": acted_from, "request_id": request_id} if mine else {"by": "others"})


def _audit(user: User) -> Iterator[dict[str, Any]]:
    """Return the rows about the person, and those by them; rows about others lack the details.

    Cost: two queries, each with its own index; as one they would read the whole audit.
    """
    own = [model._meta.model_name for model in apps.get_models() if model._meta.pk.related_model is User]  # noqa: SLF001
    sessions = [str(key) for key in user.sessions.values_list("pk", flat=True)]
    of_account = Q(subject_type__in=["user", *own], subject_id=str(user.pk))
    about = of_account | Q(subject_type="session", subject_id__in=sessions)
    found = AuditEntry.objects.filter(about), AuditEntry.objects.filter(actor=user.pk).exclude(about)
    for row in merge(*(audit_rows(part, user) for part in found), key=itemgetter("id")):
        is_own = row["subject_id"] == str(user.pk) or not user.is_staff
        yield row if is_own else row | {"before": {}, "after": {}}


def _messages(user: User) -> Iterator[dict[str, Any]]:
    """Return messages to the person's own addresses. Those to others would reveal who has an account."""
    told = Notification.objects.filter(user=user).exclude(kind="email_change_new")
    return exports.rows_of(told.order_by("pk"), "dedupe_key")


def _link_requests(user: User) -> Iterator[dict[str, Any]]:
    return exports.rows_of(LinkRequest.objects.filter(email=user.email))


def register() -> None:
    """Register everything; called once, when the app is ready."""
    _register_areas()
    _register_rules()


def _register_areas() -> None:
    of_rights = ("accounts.User_groups", "accounts.User_user_permissions")
    exports.register("account/profile.json", "who you are", _profile, "accounts.User", *of_rights)
    exports.register_rows("account/preferences.json", "how you want to be told and named", Preferences)
    of_tokens = ("token_id", "previous_token_id", "issued_at", "signed_by")
    exports.register_rows("account/sessions.json", "where you are and were signed in", Session, *of_tokens)
    exports.register("account/messages.json", "what you were told", _messages, "accounts.Notification")
    exports.register_rows("account/address_change.json", "a new address that waits for its links", EmailChange)
    exports.register("account/link_requests.json", "mails with links asked for", _link_requests, "accounts.LinkRequest")
    exports.register_rows("account/former.json", "addresses and accounts elsewhere that were yours", FormerIdentifier)
    exports.register_rows("account/blocked_addresses.json", "addresses that get no mails, and why", BlockedAddress)
    exports.register_rows("account/identities.json", "accounts elsewhere with which you sign in here", Identity)
    secrets = ("key", "last_t", "drift")
    exports.register_rows("account/authenticators.json", "your authenticator app, but its secret", TOTPDevice, *secrets)
    exports.register_rows("account/recovery_codes.json", "when your unused recovery codes were made", RecoveryCode)
    exports.register_rows("account/safeguards.json", "your pause and your exclusion", Safeguards)
    exports.register_rows("account/spend_limits.json", "your limits", SpendLimit)
    exports.register_rows("account/terms.json", "the terms that you accepted", TermsAcceptance)
    exports.register_rows("account/exports.json", "archives like this one", Export)
    exports.register_rows("account/deletions.json", "your wishes to be forgotten", Deletion)
    exports.register("account/audit.json", "what was done by you and to your account", _audit, "audit.AuditEntry")
    exports.leave_out("the archive itself", "accounts.ExportPart")
    exports.leave_out("a digest that names nobody, of an account that is gone", "accounts.ExcludedAddress")
    exports.leave_out(
        "a note, gone within seconds, that open checkouts are to be checked", "accounts.EligibilityChange"
    )
    exports.leave_out("a note that Novu is to forget somebody who is gone", "accounts.ForgottenSubscriber")
    exports.leave_out(
        "the journal of staff's work on others; what it did to the person is in the audit", "admin.LogEntry"
    )


@obstacle
def _holds_rights(user: User) -> Iterable[Obstacle]:
    """Block the deletion of people with rights, which must be removed by somebody else first."""
    if user.is_staff or user.is_superuser or user.groups.exists():
        yield Obstacle("staff", "This account has rights in the back office. Ask a colleague to remove them first.")


# Longer than a worker may take with messages that it has.
STILL_SENDING = timedelta(minutes=5)
GONE: tuple[type[Model], ...] = (
    *(Session, Preferences, EmailChange, BlockedAddress, Identity, TOTPDevice, RecoveryCode, SpendLimit, Export),
)


@eraser
def _erase_account(user: User) -> None:
    """Erase what only served the account."""
    for gone in GONE:
        gone._default_manager.filter(user=user).delete()  # noqa: SLF001
    told = Notification.objects.filter(user=user)
    was_at_novu = told.filter(channel=Notification.Channel.NOVU, attempts__gt=0).exists()
    told.open().delete()
    # The record of the message and its time stays: it proves that winners were notified.
    _remove_contents(told)
    TermsAcceptance.objects.filter(user=user).update(address=None)
    if was_at_novu:
        # Only once no worker can still be telling Novu about them.
        waiting = {"pk": user.pk, "claimed_until": Now() + STILL_SENDING}
        ForgottenSubscriber.objects.bulk_create([ForgottenSubscriber(**waiting)], ignore_conflicts=True)


def _remove_contents(messages: QuerySet[Notification]) -> int:
    return messages.update(**Notification.CONTENTS, contents_removed_at=Now())


def _register_rules() -> None:
    idle, whole = settings.SESSION_IDLE_LIFETIME, settings.SESSION_LIFETIME
    retention.register(
        "ended_sessions",
        "sessions that ended or ran out",
        floor_days=7,
        due=lambda before: Session.objects.filter(
            Q(ended_at__lt=before) | Q(last_used_at__lt=before - idle) | Q(created_at__lt=before - whole)
        ),
    )
    retention.register(
        "message_contents",
        "contents of messages; that they were sent stays on record",
        floor_days=30,
        due=lambda before: Notification.objects.filter(created_at__lt=before, contents_removed_at=None).exclude(
            status__in=Notification.OPEN
        ),
        remove=_remove_contents,
    )
    retention.register(
        "unverified_accounts",
        "accounts whose address was never verified",
        floor_days=2,
        due=_never_verified,
        remove=_remove_people,
        # Each takes some forty statements, with the person's row locked.
        batch=20,
    )
    retention.register("exports", "archives of exports", floor_days=1, due=_old_exports)
    plain: tuple[tuple[str, str, int, type[Model], str], ...] = (
        ("link_requests", "requests for e-mails with a link", 1, LinkRequest, "created_at"),
        ("sign_in_delays", "failed sign-ins", 1, SignInDelay, "last_at"),
        ("address_changes", "changes of address whose links have expired", 1, EmailChange, "created_at"),
        ("excluded_addresses", "digests of addresses whose exclusion has ended", 0, ExcludedAddress, "until"),
        ("back_office_sessions", "sessions of the back office that ran out", 0, BackOfficeSession, "expire_date"),
        ("finished_tasks", "finished background tasks", 1, Success, "stopped"),
        ("failed_tasks", "failed background tasks with their errors", 1, Failure, "stopped"),
    )
    for what, about, floor, model, by in plain:
        retention.register(what, about, floor_days=floor, due=_older(model, by))


def _older(model: type[Model], by: str) -> Any:
    return lambda before: model._default_manager.filter(**{f"{by}__lt": before})  # noqa: SLF001


def _old_exports(before: datetime) -> QuerySet[Export]:
    made = Q(ready_at__lt=before) | Q(expires_at__lt=database_now())
    return Export.objects.filter(made | Q(status=Export.Status.FAILED, created_at__lt=before))


def _never_verified(before: datetime) -> QuerySet[User]:
    buyers = User.objects.filter(is_staff=False, is_superuser=False, groups=None)
    return buyers.filter(email_verified_at=None, joined_at__lt=before).exclude(email__endswith=NOWHERE)


def _remove_people(batch: QuerySet[User]) -> int:
    """Remove each person in a transaction of its own; one that is locked or fails is left to the next run."""
    removed = 0
    for user in batch.select_for_update(no_key=True, skip_locked=True).filter(email_verified_at=None):
        try:
            with transaction.atomic():
                removed += _remove_person(user)
        except Exception:
            log.exception("account %s cannot be removed, the others are", user.pk)
    return removed


def _remove_person(user: User) -> bool:
    """Erase as in a deletion, then delete the empty account unless protected rows refer to it."""
    from accounts.services.deletion import pseudonymise

    if obstacles_of(user):
        return False
    pseudonymise(user)
    with suppress(ProtectedError), transaction.atomic():
        user.delete()
    return True
