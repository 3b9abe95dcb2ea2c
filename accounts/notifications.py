"""Notifications: written in the transaction of the change they tell of, delivered by a worker."""

from collections.abc import Callable, Iterable
from itertools import batched
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts.links import change_token, reset_links, verification_links
from accounts.models import Notification, Preferences, User

# Kinds that a person can switch off, and the preference that does it; all others are always sent.
OPTIONAL = {"purchase_paid": "email_purchases", "free_entry": "email_purchases", "draw_lost": "email_draws"}
# Tokens are made when the mail is: what is stored opens nothing.
TOKENS: dict[str, Callable[[Notification], str]] = {
    "verify_email": lambda told: verification_links.token_for(told.user),
    "reset_password": lambda told: reset_links.token_for(told.user),
    "email_change_old": lambda told: change_token(told.context["change"], "old"),
    "email_change_new": lambda told: change_token(told.context["change"], "new"),
}


def notify(user: User, kind: str, *, about: Any, **context: Any) -> None:
    """Has a sweep send `templates/mail/<kind>.txt` to the user once the caller's transaction commits.

    `about` says what the news is of, an id or a date: the same kind about the same thing is told once. `context` must
    be JSON; its `to` is where the mail goes if that is not the user's own address. Nothing is written if their
    preferences say so. Cost: one or two statements.
    """
    notify_all(kind, [(user, about, context)])


def notify_all(kind: str, news: Iterable[tuple[User, Any, dict[str, Any]]]) -> None:
    """The same for many: each a user, what it is about, and the context. Cost: one or two statements per 1,000."""
    for part in batched(news, 1_000):
        silent: set[UUID] = set()
        if switch := OPTIONAL.get(kind):
            asked_not_to = Preferences.objects.filter(user__in=[user for user, _, _ in part], **{switch: False})
            silent = set(asked_not_to.values_list("user_id", flat=True))
        Notification.objects.bulk_create(
            (
                Notification(user=user, kind=kind, context=context, dedupe_key=f"{kind}:{about}:{user.id}")
                for user, about, context in part
                if user.id not in silent
            ),
            ignore_conflicts=True,
        )


def compose(notification: Notification) -> EmailMessage:
    """The mail: the template's first line is the subject. The Message-ID is the same on every try."""
    context = notification.context | {"user": notification.user, "site": settings.FRONTEND_URL or settings.PUBLIC_URL}
    if make_token := TOKENS.get(notification.kind):
        context["token"] = make_token(notification)
    text = render_to_string(f"mail/{notification.kind}.txt", context)
    subject, _, body = text.partition("\n")
    headers = {"Message-ID": f"<{notification.id}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].rstrip('>')}>"}
    return EmailMessage(
        subject.strip(), body.lstrip(), to=[context.get("to", notification.user.email)], headers=headers
    )
