"""Times of raffles in tests."""

from datetime import timedelta

from django.db import connection

from raffles.models import Raffle


def pass_closing_time(raffle: Raffle) -> None:
    """Set its closing into the past without waiting for it; the guard of the terms is off for one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE raffles_raffle SET opens_at = now() - %s, closes_at = now() - %s WHERE id = %s",
            [timedelta(seconds=2), timedelta(seconds=1), raffle.pk],
        )
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")
