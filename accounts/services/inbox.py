"""The inbox of a person."""

from uuid import UUID

from django.db.models.functions import Now

from accounts.errors import MessageNotFound
from accounts.models import Notification, User


def mark_read(user: User, notification_id: UUID) -> None:
    """Mark one as read, once; raise MessageNotFound unless it is in the person's inbox. Cost: one or two statements."""
    found = Notification.objects.inbox_of(user).filter(pk=notification_id)
    if not found.unread().update(read_at=Now()) and not found.exists():
        raise MessageNotFound("There is no such notification in your inbox.")


def mark_all_read(user: User, *, up_to: UUID | None = None) -> None:
    """Mark all as read, or those not younger than `up_to`, so that one which came meanwhile stays unread.

    Cost: one statement.
    """
    rows = Notification.objects.inbox_of(user).unread()
    # Ids rise with time.
    (rows if up_to is None else rows.filter(pk__lte=up_to)).update(read_at=Now())
