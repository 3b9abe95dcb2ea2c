"""What buyers see of their own purchases: the raffle, what they won, filters and sums."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from luxewin.tests.asking import assert_problem, client_of
from purchases.models import Purchase
from purchases.tests.stage import buy, seated
from raffles.models import Raffle
from verification.models import Draw
from verification.services import advance_draw
from verification.tests.drawing import committed, put_in_state

LIST = "/api/v1/purchases/list"


def _drawn(raffle: Raffle) -> Raffle:
    draw = committed(raffle)
    put_in_state(raffle, Draw.State.COMMITTED, round=draw.round - 20)
    assert advance_draw(raffle.pk).state == Draw.State.DRAWN
    return raffle


@pytest.fixture
def mine(alice, bob, on_sale):
    """Alice won one raffle, did not win another, has paid tickets of a third and waits to pay others of it."""
    won, lost, open_ = (on_sale(title=title, alternates=0) for title in ("won", "lost", "open"))
    seated(alice, won, 3)
    seated(bob, lost, 3)
    held = buy(alice, open_)
    seated(alice, open_, 2)
    _drawn(won)
    _drawn(lost)
    return {"client": client_of(alice), "held": held, "won": won, "open": open_}


def _titles(client, query: str = "") -> list[str]:
    return [purchase["raffle"]["title"] for purchase in client.get(LIST + query).json()["results"]]


def test_a_purchase_shows_its_raffle_and_what_it_won(mine):
    shown = {(each["raffle"]["title"], each["status"]): each for each in mine["client"].get(LIST).json()["results"]}
    won, paid, held = shown["won", "paid"], shown["open", "paid"], shown["open", "pending"]
    assert (won["outcome"], won["prizes"]) == ("won", [prize.name for prize in mine["won"].prizes.all()])
    assert (won["raffle"]["phase"], won["raffle"]["draw_expected_at"]) == ("drawn", None)
    assert won["raffle"]["drawn_at"]
    assert (paid["outcome"], paid["prizes"], paid["raffle"]["phase"]) == ("open", [], "open")
    expected = mine["open"].closes_at + timedelta(seconds=mine["open"].delay_seconds)
    assert paid["raffle"]["draw_expected_at"] == expected.isoformat().replace("+00:00", "Z")
    assert (held["outcome"], held["prizes"]) == (None, [])
    for each in shown.values():
        assert mine["client"].get(f"/api/v1/purchases/{each['id']}").json() == each


def test_nobody_learns_of_a_prize_before_the_draw_is_over(mine):
    with connection.cursor() as cursor:
        # The database would not have it so.
        cursor.execute("ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        Raffle.objects.filter(pk=mine["won"].pk).update(drawn_at=None)
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER")
    (purchase,) = mine["client"].get(f"{LIST}?raffle={mine['won'].slug}").json()["results"]
    assert (purchase["outcome"], purchase["prizes"]) == ("open", [])
    assert _titles(mine["client"], "?outcome=won") == []


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("?status=paid", {"won", "open"}),
        ("?status=pending", {"open"}),
        ("?status=pending&status=paid&outcome=open", {"open"}),
        ("?outcome=won", {"won"}),
        ("?outcome=lost", set()),
        ("?raffle=no-such-raffle", set()),
        ("?raffle=%00", set()),
    ],
)
def test_purchases_are_filtered_by_status_raffle_and_outcome(query, titles, mine):
    answer = mine["client"].get(LIST + query)
    if "%00" in query:
        assert_problem(answer, 400, fields={"raffle"})
    else:
        assert {purchase["raffle"]["title"] for purchase in answer.json()["results"]} == titles


def test_who_did_not_win_is_told_so(mine, bob, alice, on_sale):
    both = on_sale(title="both", alternates=0, prizes=[{"name": "The one"}])
    seated(alice, both, 1)
    seated(bob, both, 1)
    _drawn(both)
    outcomes = {}
    for person in (alice, bob):
        (purchase,) = client_of(person).get(f"{LIST}?raffle={both.pk}").json()["results"]
        outcomes[purchase["outcome"]] = purchase["prizes"]
        assert _titles(client_of(person), f"?raffle={both.pk}&outcome={purchase['outcome']}") == ["both"]
    assert outcomes == {"won": ["The one"], "lost": []}


def test_sums_are_of_what_is_paid_by_currency(mine, alice):
    paid = Purchase.objects.filter(buyer=alice).paid()
    assert mine["client"].get("/api/v1/purchases/totals").json() == {
        "purchases": 2,
        "tickets": 5,
        "raffles": 2,
        "won": 1,
        "spent": [{"currency": "gbp", "amount": sum(purchase.amount for purchase in paid)}],
    }
    assert mine["held"].expires_at > timezone.now()
