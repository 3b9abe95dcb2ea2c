"""Lists of raffles among a million: every page comes from an index, whatever the order, the phase and the depth."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from luxewin.tests.asking import client_of
from raffles.filters import RaffleFilter
from raffles.models import Raffle

MILLION = 1_000_000
#: Copies of one raffle: of a thousand one is open, one upcoming, one cancelled and one drawing, the others are drawn.
FILL = """
    INSERT INTO raffles_raffle ({columns})
    SELECT {values} FROM raffles_raffle, generate_series(1, %s) AS n,
        LATERAL (SELECT now() + make_interval(hours => CASE WHEN n %% 1000 < 2 THEN n / 1000 + 1 ELSE -n / 100 - 1 END)
            AS closing) AS times
    WHERE id = %s
"""
COUNTERS = """
    INSERT INTO raffles_ticketcounter (raffle_id, capacity, held, sold, postal, selling)
    SELECT id, capacity, 0, 0, 0, false FROM raffles_raffle WHERE id <> %s
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


@pytest.fixture
def million(on_sale) -> Iterator[None]:
    """A million raffles, as they may be after many years."""
    raffle = on_sale(description="", conditions="Adults only.")
    columns = [field.column for field in Raffle._meta.concrete_fields]
    values = [CHANGED.get(column, column).replace("%", "%%") for column in columns]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("raffles_raffle", "raffles_ticketcounter"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        # Foreign keys are checked at the commit, which never comes.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(FILL.format(columns=", ".join(columns), values=", ".join(values)), [MILLION, raffle.pk])
        cursor.execute(COUNTERS, [raffle.pk])
        cursor.execute("ANALYZE raffles_raffle, raffles_ticketcounter")
        yield
        transaction.set_rollback(True)


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from _steps(each)


QUERIES = [
    *({"order": order} for order in RaffleFilter.ORDERS),
    *({"phase": phase} for phase in ("open", "upcoming", "closing", "drawing", "drawn", "cancelled")),
    {"phase": ["open", "upcoming"], "order": "-ticket_price"},
    {"phase": "drawn", "order": "-published_at"},
    {"category": "watch"},
    {"price_min": 100, "price_max": 105},
]


@pytest.mark.slow
def test_every_page_comes_from_an_index(million):
    for query in QUERIES:
        with CaptureQueriesContext(connection) as captured:
            page = client_of().get("/api/v1/raffles/list", query)
            assert page.status_code == 200
            deep = client_of().get(page.json()["next"]) if page.json()["next"] else page
            assert deep.status_code == 200
        statements = [each["sql"] for each in captured if "raffles_raffle" in each["sql"]]
        assert statements
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
                (row,) = cursor.fetchone()
            plan = (json.loads(row) if isinstance(row, str) else row)[0]["Plan"]
            of_raffles = [step for step in _steps(plan) if step.get("Relation Name") == "raffles_raffle"]
            assert {step["Node Type"] for step in of_raffles} <= {"Index Scan", "Bitmap Heap Scan"}, (query, plan)
            read = sum(step["Actual Rows"] + step.get("Rows Removed by Filter", 0) for step in of_raffles)
            assert read <= 5_000, (query, read)
