"""Times of raffles in tests."""

from django.db import connection

from raffles.models import Raffle


def pass_closing_time(raffle: Raffle) -> None:
    """Set its closing into the past without waiting for it."""
    set_times(raffle, closes_at="now() - interval '1 second'")


def set_times(raffle: Raffle, **times: str) -> None:
    """Set times to SQL expressions, without waiting for them; the guard of the terms is off for one statement."""
    columns = ", ".join(f"{name} = {value}" for name, value in times.items())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE raffles_raffle SET {columns} WHERE id = %s", [raffle.pk])
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")
