"""Reads of people's rows."""

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

CONFIRMATION_LASTS = timedelta(minutes=15)
# Two tabs, or a client whose answer was lost, ask with the same refresh token again.
REPEATED_WITHIN = timedelta(seconds=10)


class SessionQuerySet(QuerySet[Any]):
    """Sessions."""

    def alive(self) -> Self:
        """Neither ended nor too old: a refresh token unused for long, or a sign-in long ago, is good no more."""
        idle, whole = settings.SESSION_IDLE_LIFETIME, settings.SESSION_LIFETIME
        return self.filter(ended_at=None, last_used_at__gt=Now() - idle, created_at__gt=Now() - whole)

    def rotate(self, *, session: UUID, old: UUID, new: UUID, issued_at: int, signed_by: str) -> bool:
        """Exchanges the newest token id for the next; False if `old` is not the newest any more or the session ended.

        One conditional UPDATE: of concurrent exchanges exactly one succeeds.
        """
        facts = {"token_id": new, "issued_at": issued_at, "signed_by": signed_by, "previous_token_id": old}
        rows = self.alive().filter(pk=session, token_id=old)
        return rows.update(**facts, last_used_at=Now(), rotated_at=Now()) == 1

    def successor_of(self, old: UUID, *, session: UUID) -> tuple[UUID, int, str] | None:
        """What the successor of this token is made of: id, time and key; None if `old` may not be shown any more."""
        recent = self.alive().filter(pk=session, previous_token_id=old, rotated_at__gt=Now() - REPEATED_WITHIN)
        return recent.values_list("token_id", "issued_at", "signed_by").first()

    def confirmed(self) -> Self:
        """Those in which the person showed who they are a moment ago, by signing in or again."""
        return self.filter(confirmed_at__gt=Now() - CONFIRMATION_LASTS)

    def end(self) -> int:
        """Ends the sessions; their refresh tokens are dead from now on. Returns how many were alive."""
        return self.alive().update(ended_at=Now())


class NotificationQuerySet(QuerySet[Any]):
    """Messages."""

    def waiting(self) -> Self:
        """Not sent and not given up."""
        return self.filter(status=self.model.Status.WAITING)

    def send_again(self) -> int:
        """Let what was given up wait anew, with all its attempts; returns how many messages that is."""
        failed = self.filter(status=self.model.Status.FAILED)
        return failed.update(status=self.model.Status.WAITING, attempts=0, claimed_until=None)
