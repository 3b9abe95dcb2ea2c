"""Notifications: written in the transaction of the change they report, delivered by a worker."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Func, Q
from django.template.loader import render_to_string

from accounts.addresses import lookup_address
from accounts.eligibility import allows_marketing, eligibilities_of
from accounts.links import change_token, export_links, keeping_links, reset_links, unsubscribe_token, verification_links
from accounts.mail import Mail
from accounts.models import BlockedAddress, Notification, Preferences, User
from accounts.notification_types import CHANNELS, OPTIONAL, UNTIL, Event, channels_of, event_of
from accounts.words import digest, habits_of, write
from luxewin.clock import database_now
from luxewin.database import among
from luxewin.ids import uuid7
from luxewin.lines import one_line
from luxewin.staging import marked

DELIVERED, QUEUED = Notification.Status.DELIVERED, Notification.Status.QUEUED
EMAIL, INBOX = Notification.Channel.EMAIL, Notification.Channel.INBOX
# Why a message is not sent, for staff.
UNWANTED, TOO_LATE, BLOCKED = "Not wanted any more.", "Its time is over.", "No mails go to this address."
# Tokens are made when the mail is written: the stored row opens nothing.
TOKENS: dict[str, Callable[[Notification], str]] = {
    "verify_email": lambda told: verification_links.token_for(told.user),
    "reset_password": lambda told: reset_links.token_for(told.user),
    "email_change_old": lambda told: change_token(told.context["change"], "old"),
    "email_change_new": lambda told: change_token(told.context["change"], "new"),
    "export_ready": lambda told: export_links.token_for(told.context["export"], told.user),
    "deletion_requested": lambda told: keeping_links.token_for(told.context["deletion"], told.user),
}
# What apps above add to a kind's context when the mail is written.
ADDED: dict[str, Callable[[Notification], dict[str, str]]] = {}
# What of all this opens something, or must be found by an erasure elsewhere: it is not stored with the words.
SECRET = frozenset({"token", "receipt", "unsubscribe"})
# By statement, because a draw has a hundred thousand people to tell, and a model for each costs most of the time.
WRITE = """
    INSERT INTO accounts_notification
        (kind, id, user_id, channel, status, dedupe_key, context, claimed_until, in_digest, attempts, error)
    SELECT %s, told.*, 0, ''
    FROM unnest(
        %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::boolean[]
    ) AS told
    ON CONFLICT DO NOTHING
"""
# Their links are dead once the account is closed.
FOR_OPEN_ACCOUNTS = frozenset({"verify_email", "reset_password", "email_change_old", "email_change_new"})


def notify(user: User, kind: str, *, about: Any, **context: Any) -> None:
    """Have the person told by `templates/mail/<kind>.txt` once the caller's transaction commits, over each channel.

    `about` identifies the subject, an id or a date: one kind is told once per subject. `context` must be JSON; its `to`
    is the recipient of the mail if that is not the user's own address. Nothing is written if the user's preferences
    forbid it or the user is erased; this is checked again before sending. What can wait is sent after the user's quiet
    hours, or with their next digest. Cost: one to four statements.
    """
    notify_all(kind, [(user, about, context)])


def notify_all(kind: str, news: Iterable[tuple[User, Any, dict[str, Any]]]) -> None:
    """Notify many users as `notify` does: each a user, a subject and a context.

    Cost: one to four statements per 1,000.
    """
    channels = channels_of(kind)
    for part in batched(news, 1_000):
        users = [user for user, _, _ in part]
        silent, waits = _silent(kind, users, channels), _waits(kind, users)
        rows = [
            # An inbox is ours: what is written is delivered.
            (uuid7(), user.id, channel, DELIVERED if channel == INBOX else QUEUED, key, told, *waits(user.id, channel))
            for user, key, told in (
                (user, f"{kind}:{about}:{user.id}", json.dumps(context)) for user, about, context in part
            )
            for channel in channels
            if user.id not in silent[channel]
        ]
        if rows:
            with connection.cursor() as cursor:
                cursor.execute(WRITE, [kind, *map(list, zip(*rows, strict=True))])


def _waits(kind: str, users: list[User]) -> Callable[[UUID, str], tuple[datetime | None, bool]]:
    """Return a function that says until when a user's channel waits, and whether a digest tells it then.

    What can wait is due now at the earliest, and so after what has no time. Cost: two queries for kinds that can wait.
    """
    found: dict[tuple[UUID, str], tuple[datetime, bool]] = {}
    name, now = event_of(kind), None
    if name in OPTIONAL and OPTIONAL[name].can_wait:
        now = database_now()
        wanted = Q(quiet_from__isnull=False) | Q(digest=True)
        for each in Preferences.objects.filter(wanted, _of(users)):
            found |= {(each.pk, channel): (each.quiet_ends(now) or now, False) for channel in CHANNELS}
            if each.digest:
                found[each.pk, EMAIL] = each.digest_at(now), True
    return lambda user, channel: found.get((user, channel), (now, False))


def unsendable(messages: Iterable[Notification]) -> dict[UUID, str]:
    """Return why some of them may no longer be sent, by id: check right before sending.

    Much can change after a message was written: its person may have switched such messages off, withdrawn their
    consent, paused or excluded themselves, or been erased; their address may be blocked; a reminder can come too late.
    Cost: one query for mails and one for reminders, and up to two for each optional kind.
    """
    found: dict[UUID, str] = {}
    of_kind: dict[tuple[str, str], list[Notification]] = defaultdict(list)
    for message in messages:
        of_kind[message.kind, message.channel].append(message)
    for (kind, channel), alike in of_kind.items():
        if channel == EMAIL:
            found |= dict.fromkeys(_blocked(alike), BLOCKED)
        if kind in UNTIL:
            found |= dict.fromkeys(_too_late(alike), TOO_LATE)
        silent = _silent(kind, [each.user for each in alike], [channel])[channel]
        found |= {each.pk: UNWANTED for each in alike if each.user_id in silent}
    return found


def _blocked(mails: list[Notification]) -> set[UUID]:
    recipients = {each.pk: lookup_address(recipient_of(each)) for each in mails}
    blocked = set(BlockedAddress.objects.filter(email__in=recipients.values()).values_list("email", flat=True))
    return {key for key, recipient in recipients.items() if recipient in blocked}


def _too_late(reminders: list[Notification]) -> set[UUID]:
    now = database_now()
    ends = {each.pk: each.context.get("until") for each in reminders}
    return {key for key, until in ends.items() if until and datetime.fromisoformat(until) <= now}


def recipient_of(mail: Notification) -> str:
    """Return the address that a mail goes to now."""
    return str(mail.context.get("to", mail.user.email))


def _silent(kind: str, users: list[User], channels: Sequence[str]) -> dict[str, set[UUID]]:
    """Return the users who must not be told, by channel. Cost: one query for optional kinds, three if they invite."""
    gone = {user.pk for user in users if user.is_deleted or (kind in FOR_OPEN_ACCOUNTS and not user.is_active)}
    name = event_of(kind)
    if name not in OPTIONAL:
        return dict.fromkeys(channels, gone)
    people = Preferences.objects.filter(_of(users))
    off = dict(people.filter(switched_off__has_key=name).values_list("user_id", "switched_off"))
    if OPTIONAL[name].invites:
        gone |= {user.pk for user in users} - _invited(OPTIONAL[name], users)
    return {each: gone | {key for key, switches in off.items() if each in switches[name]} for each in channels}


def _of(users: list[User]) -> Func:
    return among("user_id", (user.pk for user in users))


def _invited(event: Event, users: list[User]) -> set[UUID]:
    """Return the users who may be invited to buy. Cost: one query, two if it needs their consent."""
    asked = {user.pk for user in users}
    if event.needs_consent:
        consenting = Preferences.objects.filter(user__in=asked, marketing_consent_at__isnull=False)
        asked = set(consenting.values_list("user_id", flat=True))
    found = eligibilities_of(asked).items()
    return {key for key, eligibility in found if eligibility.is_active and allows_marketing(eligibility)}


def compose(notification: Notification, *others: Notification) -> Mail:
    """Return the mail in the person's language and time zone; with `others` of their event it is a digest of all.

    It greets by name, which is free text, only at a verified address. It ends with the operator's name and support's
    address, where answers go too. The Message-ID is the same on every try; if staff have it sent again it is another,
    because mail servers drop a second mail of the same. An optional mail says how to unsubscribe, also by headers for
    mail programs (RFC 8058), and is sorted by its event (List-Id, RFC 2919). It is text, and the same as HTML. The mail
    knows what must not be stored with its words.
    """
    user, kind = notification.user, notification.kind
    to = recipient_of(notification)
    number = f"{notification.id}.{notification.resends}" if notification.resends else str(notification.id)
    headers = {"Auto-Submitted": "auto-generated"}
    sender = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    headers["Message-ID"] = f"<{number}@{sender}>"
    added = _added(notification)
    if (event := event_of(kind)) in OPTIONAL:
        link = f"{settings.PUBLIC_URL}/unsubscribe?token={unsubscribe_token(user, event, 'email')}"
        added["unsubscribe"] = link
        headers |= {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        headers["List-Id"] = f"<{event}.{sender}>"
    # At an unverified address, the name may have been typed for somebody else to read.
    name = one_line(user.display_name) if user.has_verified_email and to == user.email else ""
    with habits_of(user) as language:
        words = write(kind, notification.context | added, language)
        if others:
            words = digest([words, *(write(each.kind, each.context, language) for each in others)], language)
        frame = {
            "language": language,
            "words": words,
            # Django takes what it rendered for safe HTML, which plain text with somebody's name is not.
            "greeting": str.strip(render_to_string(f"mail/frame/{language}/greeting.txt", {"name": name})),
            "operator": settings.OPERATOR_NAME,
            "address": settings.OPERATOR_ADDRESS,
            "support": settings.SUPPORT_EMAIL,
            "unsubscribe": added.get("unsubscribe", ""),
            "unsubscribe_label": render_to_string(f"mail/frame/{language}/unsubscribe.txt"),
        }
        text, html = (render_to_string(f"mail/frame/mail.{form}", frame) for form in ("txt", "html"))
    support = [settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else []
    mail = Mail(marked(words.subject), text, to=[to], reply_to=support, headers=headers)
    mail.attach_alternative(html, "text/html")
    mail.metadata = {"sending": f"{notification.id}.{notification.resends}"}
    mail.unstored = [added[name] for name in SECRET & added.keys() if added[name]]
    return mail


def _added(notification: Notification) -> dict[str, str]:
    added: dict[str, str] = {}
    if make_token := TOKENS.get(notification.kind):
        added["token"] = make_token(notification)
    if add := ADDED.get(notification.kind):
        added |= {name: text for name, text in add(notification).items() if text}
    return added
