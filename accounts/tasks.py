"""Accounts' background work: delivering notifications, answering requests for links, forgetting what is over."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.db.models import F
from django.db.models.functions import Now

from accounts.models import EmailChange, LinkRequest, Notification, SignInDelay
from accounts.notifications import compose
from accounts.services import answer_link_request
from luxewin.tasks.sweeps import enqueue_due, sweep

log = logging.getLogger(__name__)
LEASE = timedelta(minutes=2)


@sweep(every=1)
def deliver_waiting_notifications() -> int:
    """Finds new messages, and those that a dead mail server or a killed worker left behind once their pause is over."""
    return enqueue_due(Notification.objects.waiting(), deliver_notification, lease=LEASE)


def deliver_notification(notification_id: str) -> None:
    """Sends one notification. Each attempt is counted before the mail server is called.

    A worker killed between sending and noting it sends the same Message-ID again: mail is at least once. After a
    failure the next try waits twice as long as the one before, up to an hour.
    """
    rows = Notification.objects.waiting().filter(pk=notification_id)
    if not rows.update(attempts=F("attempts") + 1, claimed_until=Now() + LEASE):
        return
    notification = Notification.objects.select_related("user").get(pk=notification_id)
    try:
        compose(notification).send()
    except (OSError, SMTPException) as error:
        log.error("mail server refused notification %s (attempt %s): %s", notification_id, notification.attempts, error)  # noqa: TRY400
        pause = min(timedelta(seconds=5 * 2**notification.attempts), timedelta(hours=1))
        given_up = notification.attempts >= Notification.MAX_ATTEMPTS
        status = Notification.Status.FAILED if given_up else Notification.Status.WAITING
        rows.update(status=status, error=str(error)[:200], claimed_until=Now() + pause)
        return
    rows.update(status=Notification.Status.SENT, sent_at=Now(), error="", claimed_until=None)


@sweep(every=1)
def answer_link_requests() -> int:
    """Finds those who asked for a link by address alone."""
    return enqueue_due(LinkRequest.objects.all(), answer_link_request, lease=LEASE)


@sweep(every=3600)
def forget_what_is_over() -> None:
    """Deletes failures that are forgiven, and changes of address whose links have expired."""
    yesterday = Now() - timedelta(days=1)
    SignInDelay.objects.filter(last_at__lt=yesterday).delete()
    EmailChange.objects.filter(created_at__lt=yesterday).delete()
