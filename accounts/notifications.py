"""Notifications: written in the transaction of the change they report, delivered by a worker."""

from collections.abc import Callable, Iterable
from itertools import batched
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.eligibility import allows_marketing, eligibilities_of
from accounts.links import change_token, export_links, keeping_links, reset_links, unsubscribe_token, verification_links
from accounts.mail import Mail
from accounts.models import Notification, Preferences, User
from accounts.notification_types import OPTIONAL, event_of
from luxewin.lines import one_line
from luxewin.staging import marked

# Tokens are made when the mail is written: the stored row opens nothing.
TOKENS: dict[str, Callable[[Notification], str]] = {
    "verify_email": lambda told: verification_links.token_for(told.user),
    "reset_password": lambda told: reset_links.token_for(told.user),
    "email_change_old": lambda told: change_token(told.context["change"], "old"),
    "email_change_new": lambda told: change_token(told.context["change"], "new"),
    "export_ready": lambda told: export_links.token_for(told.context["export"], told.user),
    "deletion_requested": lambda told: keeping_links.token_for(told.context["deletion"], told.user),
}
# What apps above add to a kind's context when the mail is written, and is not to be stored with it.
ADDED: dict[str, Callable[[Notification], dict[str, str]]] = {}
# Their links are dead once the account is closed.
FOR_OPEN_ACCOUNTS = frozenset({"verify_email", "reset_password", "email_change_old", "email_change_new"})


def notify(user: User, kind: str, *, about: Any, **context: Any) -> None:
    """Have a sweep send `templates/mail/<kind>.txt` to the user once the caller's transaction commits.

    `about` identifies the subject, an id or a date: one kind is sent once per subject. `context` must be JSON; its `to`
    is the recipient if that is not the user's own address. Nothing is written if the user's preferences forbid it or
    the user is erased; this is checked again before sending. Cost: one to three statements.
    """
    notify_all(kind, [(user, about, context)])


def notify_all(kind: str, news: Iterable[tuple[User, Any, dict[str, Any]]]) -> None:
    """Notify many users as `notify` does: each a user, a subject and a context.

    Cost: one to three statements per 1,000.
    """
    for part in batched(news, 1_000):
        silent = _silent(kind, [user for user, _, _ in part])
        Notification.objects.bulk_create(
            (
                Notification(user=user, kind=kind, context=context, dedupe_key=f"{kind}:{about}:{user.id}")
                for user, about, context in part
                if user.id not in silent
            ),
            ignore_conflicts=True,
        )


def is_wanted(notification: Notification) -> bool:
    """Whether it may still be sent: check right before sending, because much can change after a message was written.

    Its person may have switched such messages off, withdrawn their consent, paused or excluded themselves, or been
    erased. Cost: none, or up to two queries for kinds that are optional.
    """
    return notification.user_id not in _silent(notification.kind, [notification.user])


def _silent(kind: str, users: list[User]) -> set[UUID]:
    """Return the users who must not be told. Cost: one query for optional kinds, two for marketing."""
    gone = {user.pk for user in users if user.is_deleted or (kind in FOR_OPEN_ACCOUNTS and not user.is_active)}
    name = event_of(kind)
    if name not in OPTIONAL:
        return gone
    people = Preferences.objects.filter(user__in=users)
    off = Q(switched_off__contains={name: ["email"]})
    if not OPTIONAL[name].needs_consent:
        return gone | set(people.filter(off).values_list("user_id", flat=True))
    wanting = people.exclude(off).filter(marketing_consent_at__isnull=False, user__is_active=True)
    consenting = set(wanting.values_list("user_id", flat=True))
    may_be_marketed_to = {
        key for key, eligibility in eligibilities_of(consenting).items() if allows_marketing(eligibility)
    }
    return gone | ({user.pk for user in users} - may_be_marketed_to)


def compose(notification: Notification) -> Mail:
    """Return the mail in the person's language and time zone: the template's first line is the subject.

    It greets by name, which is free text, only at a verified address. All context texts are put on one line: a mail
    with a line break in its subject could never be sent. It ends with support's address, where answers go too. The
    Message-ID is the same on every try; if staff have it sent again it is another, because mail servers drop a second
    mail of the same. An optional mail says how to unsubscribe, also by a header for mail programs (RFC 8058). The mail
    knows what must not be stored with its words: tokens, and what apps above added.
    """
    user = notification.user
    to = notification.context.get("to", user.email)
    context = _on_lines(notification.context) | {
        # At an unverified address, the name may have been typed for somebody else to read.
        "name": one_line(user.display_name) if user.has_verified_email and to == user.email else "",
        "site": settings.FRONTEND_URL or settings.PUBLIC_URL,
        "backend": settings.PUBLIC_URL,
    }
    name = f"{notification.id}.{notification.resends}" if notification.resends else str(notification.id)
    headers = {"Message-ID": f"<{name}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].rstrip('>')}>"}
    unstored: list[str] = []
    if make_token := TOKENS.get(notification.kind):
        context["token"] = make_token(notification)
        unstored.append(context["token"])
    if add := ADDED.get(notification.kind):
        added = add(notification)
        context |= added
        unstored += added.values()
    if (event := event_of(notification.kind)) in OPTIONAL:
        link = f"{settings.PUBLIC_URL}/unsubscribe?token={unsubscribe_token(user, event, 'email')}"
        context["unsubscribe"] = link
        unstored.append(link)
        headers |= {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    preferences = getattr(user, "preferences", None) or Preferences()
    with translation.override(preferences.language), timezone.override(ZoneInfo(preferences.time_zone)):
        if reason := context.get("reasons", {}).get(preferences.language):
            context["reason"] = reason
        # English has no folder of its own, and is the fallback for missing translations.
        text = render_to_string(
            [f"mail/{preferences.language}/{notification.kind}.txt", f"mail/{notification.kind}.txt"], context
        )
    subject, _, body = text.partition("\n")
    support = [settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else []
    signed = "\n".join([body.strip(), "", "-- ", " · ".join(["LuxeWin", *support]), ""])
    mail = Mail(marked(subject.strip()), signed, to=[to], reply_to=support, headers=headers)
    mail.unstored = [each for each in unstored if each]
    return mail


def _on_lines(value: Any) -> Any:
    """Return a context with each of its texts on one line."""
    if isinstance(value, dict):
        return {key: _on_lines(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_on_lines(each) for each in value]
    return one_line(value) if isinstance(value, str) else value
