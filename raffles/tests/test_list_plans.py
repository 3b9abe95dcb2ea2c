"""Lists of raffles among a million: every page comes from an index, whatever the order, the phase and the depth."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from luxewin.tests.asking import client_of
from raffles.filters import RaffleFilter
from raffles.tests.million import million, plan_of, rows_read, steps_of

COUNTERS = """
    INSERT INTO raffles_ticketcounter (raffle_id, capacity, held, sold, postal, selling)
    SELECT id, capacity, 0, 0, 0, false FROM raffles_raffle WHERE id <> %s
"""


@pytest.fixture
def a_million(on_sale) -> Iterator[None]:
    raffle = on_sale(description="", conditions="Adults only.")
    with million(raffle, "raffles_ticketcounter") as cursor:
        cursor.execute(COUNTERS, [raffle.pk])
        cursor.execute("ANALYZE raffles_ticketcounter")
        yield


QUERIES = [
    *({"order": order} for order in RaffleFilter.ORDERS),
    *({"phase": phase} for phase in ("open", "upcoming", "closing", "drawing", "drawn", "cancelled")),
    {"phase": ["open", "upcoming"], "order": "-ticket_price"},
    {"phase": "drawn", "order": "-published_at"},
    {"category": "watch"},
    {"price_min": 100, "price_max": 105},
    {"currency": "gbp", "order": "ticket_price"},
    {"currency": "jpy", "order": "-ticket_price"},
]


@pytest.mark.slow
def test_every_page_comes_from_an_index(a_million):
    for query in QUERIES:
        with CaptureQueriesContext(connection) as captured:
            page = client_of().get("/api/v1/raffles/list", query)
            assert page.status_code == 200
            deep = client_of().get(page.json()["next"]) if page.json()["next"] else page
            assert deep.status_code == 200
        statements = [each["sql"] for each in captured if "raffles_raffle" in each["sql"]]
        assert statements
        for statement in statements:
            plan = plan_of(statement)
            of_raffles = [step for step in steps_of(plan) if step.get("Relation Name") == "raffles_raffle"]
            assert {step["Node Type"] for step in of_raffles} <= {"Index Scan", "Bitmap Heap Scan"}, (query, plan)
            assert sum(map(rows_read, of_raffles)) <= 5_000, (query, plan)
