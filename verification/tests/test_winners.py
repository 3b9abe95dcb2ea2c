"""The gallery of winners: who holds which prize, as they chose to be named, newest first."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Preferences, User
from luxewin.tests.asking import assert_problem, client_of
from raffles.models import Raffle
from verification.models import Award, Forfeit
from verification.services import claim_award, forfeit_pick

from .drawing import unguarded
from .held import held

WINNERS = "/api/v1/winners/list"


def _winners(**query: object) -> list[dict]:
    answer = client_of().get(f"{WINNERS}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def _won_on(raffle: Raffle, day: str) -> None:
    with unguarded("verification_award"):
        Award.objects.filter(pick__draw=raffle.pk).update(at=datetime.fromisoformat(day).replace(tzinfo=UTC))


@pytest.fixture
def dora(person) -> User:
    return person("dora")


@pytest.fixture
def three(on_sale, alice, bob, dora) -> Raffle:
    """A drawn raffle of three prizes; each winner is named otherwise."""
    for user, choice in ((alice, "full"), (bob, "initials"), (dora, "anonymous")):
        User.objects.filter(pk=user.pk).update(display_name=f"Ada {choice}")
        Preferences.objects.filter(user=user).update(winner_name=choice)
    prizes = [{"name": "A watch", "retail_value": 5}, {"name": "A strap"}, {"name": "A box"}]
    raffle = on_sale(title="three", prizes=prizes, alternates=1, image_url="https://example.com/a.jpg")
    held(raffle, alice, bob, dora)
    return raffle


def test_winners_are_shown_as_they_chose_to_be_named_in_the_order_of_prizes(three, alice):
    shown = _winners()
    named = [(each["prize"], each["name"], each["outcome"]) for each in shown]
    assert named == [("A watch", "Ada full", "winner"), ("A strap", "A.I.", "winner"), ("A box", "", "winner")]
    assert shown[0]["raffle"] == {
        "id": str(three.pk),
        "slug": three.slug,
        "title": "three",
        "category": "watch",
        "image_url": "https://example.com/a.jpg",
        "currency": "gbp",
        "drawn_at": client_of().get(f"/api/v1/raffles/{three.pk}").json()["drawn_at"],
    }
    assert (shown[0]["retail_value"], shown[0]["ticket"]) == (5, three.draw.picks.get(position=1).ticket)
    # Nothing else of the person.
    assert alice.email not in str(shown)


def test_whoever_lost_the_prize_is_out_and_whoever_has_it_now_is_in(on_sale, alice, bob, dora, mona):
    raffle = on_sale(prizes=[{"name": "A watch"}, {"name": "A strap"}], alternates=1)
    first, second, _ = held(raffle, alice, bob, dora)
    claim_award(second.pk, actor=mona)
    forfeit_pick(first.pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Works for us.", actor=mona)
    shown = {each["prize"]: (each["ticket"], each["outcome"]) for each in _winners()}
    assert shown == {"A watch": (3, "stepped_up"), "A strap": (2, "claimed")}


def test_what_is_not_final_is_not_shown(three):
    # As an anchored draw is between its decision and its settlement.
    with unguarded("raffles_raffle"):
        Raffle.objects.filter(pk=three.pk).update(drawn_at=None)
    assert _winners() == []


def test_they_are_filtered_by_category_raffle_and_day(three, on_sale, alice):
    car = on_sale(title="car", category="car", prizes=[{"name": "A car"}])
    held(car, alice)
    _won_on(three, "2026-11-01T00:00:00")
    _won_on(car, "2026-11-30T23:59:59.999999")
    everything = {"A watch", "A strap", "A box", "A car"}
    table = [
        ({}, everything),
        ({"category": "car"}, {"A car"}),
        ({"category": ["car", "watch"]}, everything),
        ({"category": "art"}, set()),
        ({"raffle": car.slug}, {"A car"}),
        ({"raffle": three.pk}, everything - {"A car"}),
        ({"raffle": "no such"}, set()),
        ({"since": "2026-11-01", "until": "2026-11-30"}, everything),
        ({"since": "2026-11-02"}, {"A car"}),
        ({"until": "2026-11-29"}, everything - {"A car"}),
        ({"since": "0001-01-01", "until": "9999-12-31"}, everything),
        ({"since": "2026-11-30", "raffle": three.slug}, set()),
    ]
    for query, prizes in table:
        assert {each["prize"] for each in _winners(**query)} == prizes, query


@pytest.mark.parametrize(
    "query", ["since=x", "since=01/12/2026", "until=2026-13-01", "until=10000-01-01", "category=x", "raffle=%00"]
)
def test_a_filter_that_means_nothing_is_refused(query, db):
    assert_problem(client_of().get(f"{WINNERS}?{query}"), 400, "invalid", {query.partition("=")[0]})


def test_pages_hold_each_winner_once_at_one_query_a_page(three, on_sale, alice):
    for days in (1, 2):
        raffle = on_sale(prizes=[{"name": f"{days} days ago"}])
        held(raffle, alice)
        _won_on(raffle, f"2026-01-0{5 - days}")
    path, seen = f"{WINNERS}?page_size=2", []
    while path:
        with CaptureQueriesContext(connection) as captured:
            page = client_of().get(path).json()
        assert len(captured) == 1
        seen += [each["prize"] for each in page["results"]]
        path = page["next"]
    assert seen == ["A watch", "A strap", "A box", "1 days ago", "2 days ago"]
