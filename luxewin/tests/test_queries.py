"""Lists cost the same number of queries for 3 rows and for 30; the numbers are pinned."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tokens import open_session
from luxewin.tests.asking import client_of
from purchases.models import Payment, Purchase
from raffles.models import Raffle
from verification.models import Pick
from verification.tests.drawing import put_in_state

# Signing in costs a list of one's own one query, for the user.
PINNED = {"raffles": 1, "purchases": 3, "verification": 1}
# A raffle alone has one more than in a list: the additions to its conditions.
DETAIL = {"raffles": 3, "purchases": 3, "verification": 1}


def _buy(raffle: Raffle, buyer, number: int) -> Purchase:
    purchase = Purchase.objects.create(
        raffle=raffle,
        buyer=buyer,
        quantity=1,
        amount=500,
        currency="gbp",
        status="paid",
        first_ticket=number,
        idempotency_key=uuid4().hex,
        request_digest=b"d",
        expires_at=timezone.now(),
        paid_at=timezone.now(),
    )
    Payment.objects.create(purchase=purchase, intent_id=f"pi_{purchase.pk}")
    return purchase


@pytest.fixture
def fill(on_sale, alice, person):
    """Makes so many raffles, each with a purchase of Alice's and a pick."""

    def make(count: int) -> Raffle:
        for number in range(count):
            raffle = on_sale(slug=f"raffle-{uuid4().hex}")
            purchase = _buy(raffle, alice, 1)
            other = _buy(raffle, person(f"buyer-{uuid4().hex}"), 2)
            prizes = list(raffle.prizes.all())
            put_in_state(raffle, "drawn")
            for position, (prize, bought) in enumerate([(prizes[0], purchase), (None, other)], start=1):
                Pick.objects.create(
                    draw=raffle.draw,
                    position=position,
                    prize=prize,
                    index=number,
                    ticket=position,
                    purchase=bought,
                    path={},
                )
        return raffle

    return make


def _count(client, path: str) -> tuple[int, int]:
    """How many queries, and how many rows came."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200
    return len(captured), len(response.json().get("results", []))


@pytest.mark.parametrize("room", PINNED)
def test_a_list_costs_the_same_for_3_rows_and_for_30(room, fill, alice):
    client = client_of(alice if room == "purchases" else None)
    path = f"/api/v1/{room}/list?page_size=30"
    fill(3)
    assert _count(client, path) == (PINNED[room], 3)
    fill(27)
    assert _count(client, path) == (PINNED[room], 30)


@pytest.mark.parametrize("room", DETAIL)
def test_a_detail_costs_a_fixed_number(room, fill, alice):
    raffle = fill(3)
    client = client_of(alice if room == "purchases" else None)
    row = Purchase.objects.get(raffle=raffle, buyer=alice) if room == "purchases" else raffle
    assert _count(client, f"/api/v1/{room}/{row.pk}")[0] == DETAIL[room]


def test_a_page_in_the_middle_costs_what_the_first_does(fill, alice):
    fill(6)
    client = client_of()
    first = client.get("/api/v1/raffles/list?page_size=2").json()
    queries, rows = _count(client, first["next"])
    assert (queries, rows) == (PINNED["raffles"], 2)


def test_one_s_profile_costs_three_queries_and_preferences_two(alice):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(alice, user_agent='').access}")
    assert _count(client, "/api/v1/users/profile")[0] == 3
    assert _count(client, "/api/v1/users/preferences")[0] == 2
