"""QuerySet methods of people's rows."""

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

CONFIRMATION_LASTS = timedelta(minutes=15)
# For two tabs, or a client that lost the answer, and sends the same refresh token again.
REPEATED_WITHIN = timedelta(seconds=10)


class SessionQuerySet(QuerySet[Any]):
    """Sessions."""

    def alive(self) -> Self:
        """Keep sessions that have neither ended nor expired, by disuse or by age."""
        idle, whole = settings.SESSION_IDLE_LIFETIME, settings.SESSION_LIFETIME
        return self.filter(ended_at=None, last_used_at__gt=Now() - idle, created_at__gt=Now() - whole)

    def rotate(self, *, session: UUID, old: UUID, new: UUID, issued_at: int, signed_by: str) -> bool:
        """Replace the newest token id by the next; False if `old` is no longer the newest or the session ended.

        One conditional UPDATE: of concurrent exchanges exactly one succeeds.
        """
        facts = {"token_id": new, "issued_at": issued_at, "signed_by": signed_by, "previous_token_id": old}
        rows = self.alive().filter(pk=session, token_id=old)
        return rows.update(**facts, last_used_at=Now(), rotated_at=Now()) == 1

    def successor_of(self, old: UUID, *, session: UUID) -> tuple[UUID, int, str] | None:
        """Return id, time and key of this token's successor; None if it may not be issued again."""
        recent = self.alive().filter(pk=session, previous_token_id=old, rotated_at__gt=Now() - REPEATED_WITHIN)
        return recent.values_list("token_id", "issued_at", "signed_by").first()

    def confirmed(self) -> Self:
        """Keep sessions in which the person proved who they are recently, by signing in or again."""
        return self.filter(confirmed_at__gt=Now() - CONFIRMATION_LASTS)

    def end(self) -> int:
        """End the sessions, and with them their refresh tokens; return how many were alive."""
        return self.alive().update(ended_at=Now())


class NotificationQuerySet(QuerySet[Any]):
    """Messages."""

    def open(self) -> Self:
        """Keep messages that are to be sent, or on their way without an answer yet."""
        return self.filter(status__in=self.model.OPEN)

    def mails(self) -> Self:
        """Keep those that go by mail."""
        return self.filter(channel=self.model.Channel.EMAIL)

    def inbox_of(self, user: Any) -> Self:
        """Keep what the person finds in their inbox."""
        return self.filter(user=user, channel=self.model.Channel.INBOX, contents_removed_at=None)

    def unread(self) -> Self:
        """Keep what was not marked as read."""
        return self.filter(read_at=None)
