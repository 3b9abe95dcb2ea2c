"""Times of raffles in tests."""

from django.db import connection

from raffles.models import Raffle


def pass_closing_time(raffle: Raffle) -> None:
    """Set its closing into the past without waiting for it; the guard of the terms is off for one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute("UPDATE raffles_raffle SET closes_at = now() - interval '1 second' WHERE id = %s", [raffle.pk])
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")
