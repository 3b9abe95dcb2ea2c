"""Messages that staff have sent again, or not sent."""

from uuid import UUID

from django.db import transaction

from accounts.errors import MessageGone, MessageUnderWay
from accounts.models import Notification
from luxewin.audit.services import Actor, record


def send_again(notification_id: UUID, *, reason: str, actor: Actor) -> Notification:
    """Queue a message anew, with all attempts left; it is written anew, with fresh links, in the person's language.

    Whether it is wanted is checked before sending, as for any other. Raise MessageUnderWay while it is queued, on its
    way or in the person's inbox, MessageGone once its contents were removed.
    """
    with transaction.atomic():
        message = Notification.objects.select_for_update(no_key=True).get(pk=notification_id)
        if message.status in Notification.OPEN:
            raise MessageUnderWay("It is being sent already.")
        if message.channel == Notification.Channel.INBOX:
            raise MessageUnderWay("It is in the person's inbox.")
        if message.contents_removed_at:
            raise MessageGone("What it said is not kept any more.")
        before, message.status = message.status, Notification.Status.QUEUED
        message.attempts, message.claimed_until = 0, None
        message.resends += 1
        message.in_digest = False
        message.save(update_fields=["status", "attempts", "claimed_until", "resends", "in_digest"])
        after = {"status": message.status, "kind": message.kind, "reason": reason}
        record("notification.sent_again", message, actor=actor, before={"status": before}, after=after)
    return message


def suppress(notification_id: UUID, *, reason: str, actor: Actor) -> Notification:
    """Keep a message that waits from being sent; it can be sent again. Raise MessageUnderWay for any other.

    One that is on its way may have been taken already: nobody can call it back.
    """
    with transaction.atomic():
        message = Notification.objects.select_for_update(no_key=True).get(pk=notification_id)
        if message.status != Notification.Status.QUEUED:
            raise MessageUnderWay("It does not wait to be sent.")
        message.status, message.claimed_until = Notification.Status.SUPPRESSED, None
        message.save(update_fields=["status", "claimed_until"])
        after = {"status": message.status, "kind": message.kind, "reason": reason}
        record("notification.suppressed", message, actor=actor, before={"status": "queued"}, after=after)
    return message


def note_outcome(notification_id: str, *, resends: int, arrived: bool, said: str) -> None:
    """Note what the provider says of a mail: it arrived, or never will. Idempotent; of an unknown one nothing is noted.

    `resends` says which sending it is about: the outcome of an earlier one is no news. A mail that bounces after it
    arrived has failed. Cost: one statement.
    """
    states = Notification.Status
    rows = Notification.objects.mails().filter(pk=UUID(notification_id), resends=resends)
    if arrived:
        rows.filter(status__in=[states.SENT, states.ACCEPTED]).update(status=states.DELIVERED)
    else:
        over = {"status": states.FAILED, "error": said.replace("\0", "")[:200], "claimed_until": None}
        rows.filter(status__in=[states.SENT, states.ACCEPTED, states.DELIVERED]).update(**over)
