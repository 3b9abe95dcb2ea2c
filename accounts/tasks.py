"""Background tasks: delivery of notifications, answers to link requests, exports, deletions, retention."""

import logging
from datetime import timedelta
from smtplib import SMTPException
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from accounts import services
from accounts.alerts import alert_staff
from accounts.mail import Mail
from accounts.models import Deletion, Export, LinkRequest, Notification, RetentionRule
from accounts.notifications import compose, is_wanted
from accounts.services import answer_link_request
from luxewin.api import ratelimits
from luxewin.clock import database_now
from luxewin.tasks.queue import is_work_waiting
from luxewin.tasks.sweeps import enqueue_due, sweep

log = logging.getLogger(__name__)
LEASE = timedelta(minutes=2)
# Longer than a task may take, so that two workers never make the same archive at once.
EXPORT_LEASE = timedelta(minutes=5)
# How long an archive lets other queued work go first.
EXPORT_PATIENCE = timedelta(hours=1)


@sweep(every=1)
def deliver_waiting_notifications() -> int:
    """Enqueue new messages, and those that failed or whose worker died, once their pause is over."""
    return enqueue_due(Notification.objects.open(), deliver_notification, lease=LEASE)


def deliver_notification(notification_id: str) -> None:
    """Send one notification, unless it is no longer wanted.

    Each attempt is counted, and the message is on its way, before the mail is written and the mail server called. A
    worker killed between sending and recording it sends the same Message-ID again: mail is at least once. After any
    failure the next try waits twice as long as the one before, up to an hour, MAX_ATTEMPTS times.
    """
    rows = Notification.objects.open().filter(pk=notification_id)
    if not rows.update(status=Notification.Status.SENT, attempts=F("attempts") + 1, claimed_until=Now() + LEASE):
        return
    notification = Notification.objects.select_related("user__preferences").get(pk=notification_id)
    if not is_wanted(notification):
        rows.update(status=Notification.Status.SUPPRESSED, error="", claimed_until=None)
        return
    mail = None
    try:
        mail = compose(notification)
        mail.send()
    except (OSError, SMTPException) as error:
        log.error("mail server refused notification %s (attempt %s): %s", notification_id, notification.attempts, error)  # noqa: TRY400
        _put_off(notification, mail, error)
    except Exception as error:
        about = (notification_id, notification.kind, notification.attempts)
        log.exception("notification %s (%s, attempt %s) cannot be sent", *about)
        _put_off(notification, mail, error)
        _alert(notification, error)
    else:
        answer = mail.answer.replace("\0", "")[:200]
        rows.update(
            status=Notification.Status.ACCEPTED,
            sent_at=Now(),
            answer=answer,
            error="",
            claimed_until=None,
            **mail.as_stored(),
        )


def _alert(notification: Notification, error: Exception) -> None:
    """Tell staff, once a day for each kind: only they can fix a mail that cannot be written or was given up."""
    if notification.kind != "mail_failed":
        about = f"{notification.kind}:{database_now():%Y-%m-%d}"
        reason = f"{type(error).__name__}: {error}"[:200]
        alert_staff("mail_failed", about=about, told=notification.kind, id=str(notification.pk), reason=reason)


def _put_off(notification: Notification, mail: Mail | None, error: Exception) -> None:
    pause = min(timedelta(seconds=5 * 2**notification.attempts), timedelta(hours=1))
    given_up = notification.attempts >= Notification.MAX_ATTEMPTS
    status = Notification.Status.FAILED if given_up else Notification.Status.QUEUED
    said = f"{type(error).__name__}: {error}".replace("\0", "")[:200]
    written = mail.as_stored() if mail else {}
    Notification.objects.open().filter(pk=notification.pk).update(
        status=status, error=said, claimed_until=Now() + pause, **written
    )
    if given_up:
        _alert(notification, error)


@sweep(every=1)
def answer_link_requests() -> int:
    """Enqueue open requests for links by address."""
    return enqueue_due(LinkRequest.objects.all(), answer_link_request, lease=LEASE)


@sweep(every=5)
def make_waiting_exports() -> int:
    """Enqueue the next requested archive: one at a time, and after other work for up to EXPORT_PATIENCE."""
    waiting = Export.objects.filter(status=Export.Status.WAITING).order_by("created_at")
    if waiting.filter(claimed_until__gt=Now()).exists():
        return 0
    if is_work_waiting():
        waiting = waiting.filter(created_at__lt=Now() - EXPORT_PATIENCE)
    return enqueue_due(waiting, make_export, lease=EXPORT_LEASE, limit=1)


def make_export(export_id: str) -> None:
    """Make one archive."""
    services.make_export(UUID(export_id))


@sweep(every=60)
def carry_out_deletions() -> int:
    """Enqueue deletions whose grace period is over."""
    due = Deletion.objects.filter(status=Deletion.Status.WAITING, due_at__lte=Now())
    return enqueue_due(due, carry_out_deletion, lease=LEASE, limit=20)


def carry_out_deletion(deletion_id: str) -> None:
    """Erase one person."""
    services.carry_out_deletion(UUID(deletion_id))


@sweep(every=60)
def forget_expired_counts() -> int:
    """Delete expired rate-limit counts from times without Redis: one indexed statement."""
    return ratelimits.forget_expired_counts()


@sweep(every=60)
def keep_to_rules() -> int:
    """Enqueue rules of retention that are due: each once a day, first a day after it was created."""
    RetentionRule.objects.filter(ran_at=None).update(ran_at=Now())
    return enqueue_due(RetentionRule.objects.filter(ran_at__lt=Now() - timedelta(days=1)), apply_rule, lease=LEASE)


def apply_rule(what: str) -> None:
    """Apply one rule; if it does not finish, it is due again."""
    services.apply_rule(what)
