"""Background tasks: delivery of notifications, answers to link requests, exports, deletions, retention."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import services
from accounts.alerts import alert_staff
from accounts.channels import Answer, Channel
from accounts.channels.mail import MailChannel
from accounts.channels.novu import NovuChannel
from accounts.models import Deletion, Export, ForgottenSubscriber, LinkRequest, Notification, RetentionRule
from accounts.notification_types import event_of
from accounts.notifications import unsendable
from accounts.novu.client import NovuFailed, delete_subscriber
from accounts.services import answer_link_request
from luxewin.api import ratelimits
from luxewin.clock import database_now
from luxewin.tasks.queue import enqueue, is_work_waiting, waiting_tasks
from luxewin.tasks.sweeps import enqueue_due, sweep

log = logging.getLogger(__name__)
CHANNELS: dict[str, Channel] = {Notification.Channel.EMAIL: MailChannel(), Notification.Channel.NOVU: NovuChannel()}
QUEUED, SENT = Notification.Status.QUEUED, Notification.Status.SENT
# Longer than a task may take.
LEASE = timedelta(minutes=2, seconds=30)
# Beyond so many tasks in the queue, mails wait in their table: other work is not to wait behind them.
MOST_WAITING = 10
# From the messages of how many people digests are made at once, at most.
DIGESTS = 200
# Longer than a task may take, so that two workers never make the same archive at once.
EXPORT_LEASE = timedelta(minutes=5)
# How long an archive lets other queued work go first.
EXPORT_PATIENCE = timedelta(hours=1)


@sweep(every=1)
def deliver_waiting_notifications() -> int:
    """Enqueue messages that are due: new ones, and those that failed, once their pause is over.

    What can wait goes last. Where many wait, they come into the queue as it empties, so that other work does not wait
    behind them.
    """
    room = max(1, MOST_WAITING - waiting_tasks(MOST_WAITING))
    return sum(
        _enqueue(name, channel.most, room)
        for name, channel in CHANNELS.items()
        # What was written for Novu waits if the operator has taken its key away meanwhile.
        if name != Notification.Channel.NOVU or settings.NOVU_SECRET_KEY
    )


@sweep(every=15)
def requeue_dropped_notifications() -> int:
    """Queue messages again whose worker died. Cost: one statement, which looks at all that are due."""
    return Notification.objects.filter(status=SENT, claimed_until__lte=Now()).update(status=QUEUED)


def _enqueue(channel: str, at_once: int, room: int) -> int:
    """Enqueue messages of a channel in at most `room` tasks. What cannot wait and was not tried yet has no time."""
    due = Notification.objects.filter(status=QUEUED, channel=channel, in_digest=False)
    count = 0
    for part in (due.filter(claimed_until=None), due.filter(claimed_until__lte=Now()).order_by("claimed_until")):
        limit = room * at_once - count
        count += enqueue_due(part, deliver_notification, lease=LEASE, limit=limit, at_once=at_once) if limit else 0
    return count


@sweep(every=15)
def deliver_digests() -> int:
    """Enqueue what waited for a digest: one task, and so one mail, for each person and event; some people at a time."""
    due = Notification.objects.mails().filter(status=QUEUED, in_digest=True, claimed_until__lte=Now())
    people = list(due.order_by("claimed_until").values_list("user", flat=True)[:DIGESTS])
    groups: dict[tuple[UUID, str], list[str]] = defaultdict(list)
    with transaction.atomic():
        rows = due.filter(user__in=people).select_for_update(skip_locked=True, no_key=True, of=("self",))
        for message in rows.order_by("pk").only("user_id", "kind"):
            groups[message.user_id, event_of(message.kind)].append(str(message.pk))
        for keys in groups.values():
            Notification.objects.filter(pk__in=keys).update(claimed_until=Now() + LEASE)
            enqueue(deliver_notification, *keys, is_swept=True)
    return len(groups)


def deliver_notification(*notification_ids: str) -> None:
    """Send notifications of one channel, or one digest's, unless they may no longer be sent.

    Each attempt is counted, and the message is on its way, before the channel is called; another task leaves it alone.
    A message whose worker was killed between sending and recording it is sent again under the same id after LEASE: it
    is at least once for the other side to leave out. After any failure the next try waits twice as long as the one
    before, up to an hour, MAX_ATTEMPTS times.
    """
    rows = Notification.objects.filter(pk__in=_taken(notification_ids))
    messages = list(rows.select_related("user__preferences").order_by("pk"))
    kept_back = unsendable(messages)
    for why in set(kept_back.values()):
        keys = [key for key, each in kept_back.items() if each == why]
        rows.filter(pk__in=keys).update(status=Notification.Status.SUPPRESSED, error=why, claimed_until=None)
    if left := [each for each in messages if each.pk not in kept_back]:
        answers = CHANNELS[left[0].channel].send(left)
        for message, answer in zip(left, answers, strict=True):
            _put_off(message, answer) if answer.error else _accept(message, answer)


def _taken(notification_ids: Iterable[str]) -> list[UUID]:
    """Take those that wait, and return them. A task that waited long in the queue was enqueued again meanwhile."""
    with transaction.atomic():
        waiting = Notification.objects.filter(pk__in=notification_ids, status=QUEUED)
        keys = list(waiting.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
        counted = {"status": SENT, "attempts": F("attempts") + 1, "claimed_until": Now() + LEASE}
        Notification.objects.filter(pk__in=keys).update(**counted)
    return keys


def _accept(message: Notification, answer: Answer) -> None:
    taken = {"sent_at": Now(), "answer": _stored(answer.said), "error": "", "claimed_until": None, **answer.words}
    if not Notification.objects.open().filter(pk=message.pk).update(status=Notification.Status.ACCEPTED, **taken):
        # The provider was quicker to say that it arrived.
        Notification.objects.filter(pk=message.pk, status=Notification.Status.DELIVERED).update(**taken)


def _put_off(message: Notification, answer: Answer) -> None:
    pause = max(min(timedelta(seconds=5 * 2**message.attempts), timedelta(hours=1)), answer.pause)
    given_up = message.attempts >= Notification.MAX_ATTEMPTS
    status = Notification.Status.FAILED if given_up else Notification.Status.QUEUED
    Notification.objects.open().filter(pk=message.pk).update(
        status=status, error=_stored(answer.error), claimed_until=Now() + pause, **answer.words
    )
    if (given_up or answer.needs_staff) and message.kind != "mail_failed":
        # Once a day for each kind: only they can fix a message that cannot be written or was given up.
        about = f"{message.kind}:{database_now():%Y-%m-%d}"
        alert_staff("mail_failed", about=about, told=message.kind, id=str(message.pk), reason=answer.error[:200])


def _stored(text: str) -> str:
    # PostgreSQL stores no NUL.
    return text.replace("\0", "")[:200]


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
def forget_subscribers() -> int:
    """Enqueue erased people whom Novu still knows."""
    if not settings.NOVU_SECRET_KEY:
        return 0
    return enqueue_due(ForgottenSubscriber.objects.all(), forget_subscriber, lease=LEASE, limit=20)


def forget_subscriber(user_id: str) -> None:
    """Have Novu forget one person; if it does not answer, the sweep tries again."""
    try:
        delete_subscriber(user_id)
    except NovuFailed as failure:
        log.error("Novu has not forgotten %s yet: %s", user_id, failure)  # noqa: TRY400
    else:
        ForgottenSubscriber.objects.filter(pk=UUID(user_id)).delete()


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
