"""Processes that take another time for the present one, and where that got into the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from psycopg import sql

YEARS = timedelta(days=1000)
TIMES = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
"""


@contextmanager
def years_ahead() -> Iterator[None]:
    """What Django takes for the time is nearly three years ahead of the database's."""
    real = timezone.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: real() + YEARS)
        yield


def stored_times_to_come() -> list[str]:
    """Return the columns that hold a time which only a process that is years ahead can have come up with."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(TIMES)
        for table, column in cursor.fetchall():
            any_later = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} > statement_timestamp() + interval '900 days')")
            cursor.execute(any_later.format(sql.Identifier(table), sql.Identifier(column)))
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return found
