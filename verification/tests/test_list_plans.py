"""Draws among a million: a page of them, and one of them, is a statement that reads what it shows and no more."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from luxewin.tests.asking import client_of
from raffles.tests.million import MILLION, copy, million, plan_of, rows_read, steps_of
from verification.models import Award

from .drawing import URL
from .held import held

PICKS = 100_000  # of which the newest thousand draws have a hundred each, the most that a draw can have
PAGE = 20
TABLES = (
    "raffles_prize",
    "purchases_purchase",
    "verification_draw",
    "verification_pick",
    "verification_award",
    "verification_chainstep",
)
OF_N = "lpad(to_hex(n), 32, '0')::uuid"


@pytest.fixture
def a_million(on_sale, alice) -> Iterator[None]:
    """A million draws; the newest have picks, each of a purchase of its own."""
    (pick,) = held(on_sale(description="", conditions="Adults only."), alice)
    award = Award.objects.get()
    with million(pick.draw.raffle, *TABLES) as cursor:
        draw = {"raffle_id": OF_N, "sequence": "sample.sequence + n", "manifest_hash": "lpad(to_hex(n), 64, '0')"}
        copy(cursor, pick.draw, MILLION, draw)
        purchase = dict.fromkeys(("id", "entry_id"), OF_N)
        purchase |= {"idempotency_key": "n::text", "first_ticket": "n", "raffle_id": OF_N}
        copy(cursor, pick.purchase, PICKS, purchase)
        of_draw = f"lpad(to_hex({MILLION} - n / 100), 32, '0')::uuid"
        named = {"id": "sample.id + n", "draw_id": of_draw, "purchase_id": OF_N}
        named |= {"position": "n % 100 + 1", "ticket": "n"}
        copy(cursor, pick, PICKS, named)
        prize = {"id": OF_N, "raffle_id": of_draw, "position": "n % 100 + 1"}
        copy(cursor, award.prize, PICKS, prize)
        of_pick = {"id": "sample.id + n", "pick_id": "sample.pick_id + n", "prize_id": OF_N}
        copy(cursor, award, PICKS, of_pick | {"at": "now() - n * interval '1 minute'"})
        # Of as many rows that no plan hangs on which of them are looked at.
        cursor.execute("SET LOCAL default_statistics_target = 2000")
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")
        yield


def _statement(path: str, **query: Any) -> tuple[str, Any]:
    """The one statement about draws that a request costs, and its answer."""
    with CaptureQueriesContext(connection) as captured:
        answer = client_of().get(path, query)
    assert answer.status_code == 200
    (statement,) = [each["sql"] for each in captured if "verification_draw" in each["sql"]]
    return statement, answer.json()


@pytest.mark.slow
def test_a_page_and_a_draw_come_from_indexes(a_million):
    first, page = _statement(f"{URL}/list")
    assert len(page["results"]) == PAGE
    assert {len(each["picks"]) for each in page["results"][1:]} == {100}
    deep, _ = _statement(page["next"])
    one, _ = _statement(f"{URL}/{page['results'][0]['raffle']['id']}")
    named, _ = _statement(f"{URL}/{page['results'][0]['raffle']['slug']}")
    for statement, shown in ((first, PAGE), (deep, PAGE), (one, 1), (named, 1)):
        plan = plan_of(statement)
        steps = [step for step in steps_of(plan) if "Relation Name" in step]
        assert "verification_pick" in {step["Relation Name"] for step in steps}
        for step in steps:
            # One more row than is shown, and a hundred picks of each, with what each pick leads to.
            assert rows_read(step) <= 100 * (shown + 1), (step, plan)

    winners = "/api/v1/winners/list"
    first, page = _statement(winners)
    deep, _ = _statement(page["next"])
    earlier, _ = _statement(winners, until=f"{timezone.now() - timedelta(days=30):%Y-%m-%d}")
    of_one, _ = _statement(winners, raffle=page["results"][0]["raffle"]["id"])
    for name, statement in {"first": first, "deep": deep, "earlier": earlier, "of one raffle": of_one}.items():
        for step in [step for step in steps_of(plan_of(statement)) if "Relation Name" in step]:
            # A page may pass over a draw that is not final, with a hundred prizes.
            assert rows_read(step) <= 100 + PAGE + 1, (name, step)
