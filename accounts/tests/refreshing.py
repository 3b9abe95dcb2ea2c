"""Time between two uses of one refresh token."""

from datetime import timedelta

from django.db.models import F

from accounts.models import Session


def time_passes(seconds: int = 11) -> None:
    """Since the last exchange, by the database's clock; at first as long as a token's successor is shown again."""
    Session.objects.update(rotated_at=F("rotated_at") - timedelta(seconds=seconds))
