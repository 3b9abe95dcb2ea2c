"""A million raffles, as there may be after many years, and the plans of what is asked of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.db.models.fields import Field

from raffles.models import Raffle

MILLION = 1_000_000
#: Copies of one raffle: of a thousand one is open, one upcoming, one cancelled and one drawing, the others are drawn.
TIMES = """
    LATERAL (SELECT now() + make_interval(hours => CASE WHEN n % 1000 < 2 THEN n / 1000 + 1 ELSE -n / 100 - 1 END)
        AS closing) AS times
"""
CHANGED = {
    "id": "lpad(to_hex(n), 32, '0')::uuid",
    "slug": "'r-' || n",
    "ticket_price": "1 + (hashint4(n) & 65535)",
    "opens_at": "CASE WHEN n % 1000 = 1 THEN closing - interval '1 minute' ELSE closing - interval '30 days' END",
    "closes_at": "closing",
    "free_route_instructions": "''",
    "free_route_until": "NULL",
    "published_at": "closing - interval '31 days'",
    "closed_at": "CASE WHEN n % 1000 > 2 THEN closing END",
    "frozen_at": "CASE WHEN n % 1000 > 2 THEN closing END",
    "drawn_at": "CASE WHEN n % 1000 > 3 THEN closing END",
    "cancelled_at": "CASE WHEN n % 1000 = 2 THEN closing END",
    "status": "CASE WHEN n % 1000 = 2 THEN 'cancelled' ELSE 'published' END",
}


@contextmanager
def million(raffle: Raffle, *tables: str) -> Iterator[Any]:
    """A million copies of the raffle until the end of the block, which gets a cursor; it may fill `tables` too."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("raffles_raffle", *tables):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        # Foreign keys are checked at the commit, which never comes.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        copy(cursor, raffle, MILLION, CHANGED, TIMES)
        cursor.execute("ANALYZE raffles_raffle")
        yield cursor
        transaction.set_rollback(True)


def copy(cursor: Any, row: Model, count: int, changed: dict[str, str], beside: str = "") -> None:
    """Insert copies of a row, numbered n from 1 on, with changed columns; `beside` is joined."""
    fields: list[Field[Any, Any]] = [each for each in row._meta.concrete_fields if not each.generated]
    columns = [field.column for field in fields]
    values = [changed.get(column, f"sample.{column}") for column in columns]
    quoted = ", ".join(f'"{column}"' for column in columns)
    table = row._meta.db_table
    joined = f", {beside}" if beside else ""
    cursor.execute(
        f"INSERT INTO {table} ({quoted}) SELECT {', '.join(values)} "
        f"FROM {table} AS sample, generate_series(1, {count}) AS n{joined} "
        f"WHERE sample.{row._meta.pk.column} = '{row.pk}'"
    )


def plan_of(statement: str) -> dict[str, Any]:
    """Run a statement; return its plan."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (row,) = cursor.fetchone()
    return (json.loads(row) if isinstance(row, str) else row)[0]["Plan"]


def steps_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan, the outermost first."""
    yield plan
    for each in plan.get("Plans", []):
        yield from steps_of(each)


def rows_read(step: dict[str, Any]) -> int:
    """How many rows of its table a step read in all."""
    return (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
