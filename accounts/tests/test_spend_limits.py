"""Monthly spend limits: lower at once, higher or none a day later, shown with what is spent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Notification, SpendLimit
from accounts.tests.guarding import a_day_later
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

URL = "/api/v1/users/safeguards"


@pytest.fixture
def limit(alice):
    """`limit(5000)` asks for a limit of Alice's in pounds, and gives all of hers by currency."""
    client = client_of(alice)

    def ask(amount, currency="gbp"):
        answer = client.patch(URL, {"currency": currency, "limit": amount})
        assert answer.status_code == 200, answer.json()
        return {each["currency"]: each for each in answer.json()["spend_limits"]}

    return ask


def test_without_one_nothing_is_limited(alice):
    shown = client_of(alice).get(URL).json()
    assert (shown["spend_limits"], shown["may_buy"]) == ([], True)


def test_the_first_counts_at_once_and_is_told_by_mail_and_audited(limit, alice):
    assert limit(5000)["gbp"] == {
        "currency": "gbp",
        "limit": 5000,
        "spent": 0,
        "left": 5000,
        "next_limit": None,
        "next_from": None,
    }
    assert Notification.objects.mails().get(user=alice, kind="spend_limit").context["limit"] == 5000
    entry = AuditEntry.objects.get(action="safeguards.limited")
    assert (entry.actor, entry.before["limit"], entry.after["limit"]) == (alice.pk, None, 5000)


def test_a_lower_one_counts_at_once(limit):
    limit(5000)
    assert limit(3000)["gbp"]["left"] == 3000
    assert limit(0)["gbp"]["left"] == 0


def test_a_higher_one_counts_a_day_later(limit, alice):
    limit(5000)
    shown = limit(9000)["gbp"]
    assert (shown["limit"], shown["next_limit"]) == (5000, 9000)
    waiting = SpendLimit.objects.get(user=alice).next_from - timezone.now()
    assert timedelta(hours=23, minutes=59) < waiting <= timedelta(hours=24)
    a_day_later(alice)
    shown = client_of(alice).get(URL).json()["spend_limits"][0]
    assert (shown["limit"], shown["next_limit"], shown["next_from"]) == (9000, None, None)


def test_none_counts_a_day_later(limit, alice):
    limit(5000)
    assert limit(None)["gbp"]["limit"] == 5000
    a_day_later(alice)
    assert client_of(alice).get(URL).json()["spend_limits"] == []


@pytest.mark.parametrize("lower", [5000, 2000])
def test_the_same_or_a_lower_one_ends_a_raise_that_waits(limit, alice, lower):
    limit(5000)
    limit(9000)
    assert limit(lower)["gbp"]["next_from"] is None
    a_day_later(alice)
    assert client_of(alice).get(URL).json()["spend_limits"][0]["limit"] == lower


def test_another_raise_waits_its_own_day(limit, alice):
    limit(5000)
    first = limit(9000)["gbp"]["next_from"]
    second = limit(6000)["gbp"]
    assert (second["limit"], second["next_limit"]) == (5000, 6000)
    assert second["next_from"] > first


def test_a_raise_whose_time_came_is_what_the_next_wish_is_compared_with(limit, alice):
    limit(5000)
    limit(9000)
    a_day_later(alice)
    assert limit(8000)["gbp"]["left"] == 8000
    assert limit(9000)["gbp"]["limit"] == 8000


def test_a_second_currency_is_limited_to_nothing_until_its_raise_has_waited(limit, alice):
    limit(5000)
    shown = limit(4000, "EUR")["eur"]
    assert (shown["limit"], shown["next_limit"]) == (0, 4000)
    a_day_later(alice)
    shown = {each["currency"]: each["limit"] for each in client_of(alice).get(URL).json()["spend_limits"]}
    assert shown == {"eur": 4000, "gbp": 5000}


def test_the_same_again_changes_and_tells_nothing(limit, alice):
    limit(5000)
    client = client_of(alice)
    with nothing_written():
        client.patch(URL, {"currency": "gbp", "limit": 5000})


def test_no_limit_where_there_is_none_changes_nothing(alice):
    client = client_of(alice)
    with nothing_written():
        assert client.patch(URL, {"currency": "gbp", "limit": None}).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"currency", "limit"}),
        ({"currency": "xyzw", "limit": 1}, {"currency"}),
        ({"currency": "qqq", "limit": -1}, {"currency", "limit"}),
        ({"currency": "gbp", "limit": "5"}, {"limit"}),
        ({"currency": "gbp", "limit": 10**30}, {"limit"}),
        ({"currency": "g\u0000p", "limit": 1.5}, {"currency", "limit"}),
        ({"currency": "xxx", "limit": 5000}, {"currency"}),
        ({"currency": "XAU", "limit": 0}, {"currency"}),
        ({"currency": 5, "limit": 0}, {"currency"}),
    ],
    ids=["nothing", "no currency", "two wrong", "text", "huge", "a NUL and a fraction", "no money", "gold", "number"],
)
def test_every_fault_is_named(body, fields, alice):
    client = client_of(alice)
    with nothing_written():
        assert_problem(client.patch(URL, body), 400, "invalid", fields)


def eligibility(alice):
    shown = client_of(alice).get(URL).json()
    return shown["may_buy"], shown["may_buy_in"], [(each["code"], each["currency"]) for each in shown["reasons"]]


def test_what_may_be_bought_is_told_by_currency(limit, alice):
    assert eligibility(alice) == (True, None, [])
    limit(5000)
    assert eligibility(alice) == (True, ["gbp"], [])
    limit(4000, "eur")
    assert eligibility(alice) == (True, ["gbp"], [("spend_limit_reached", "eur")])
    a_day_later(alice)
    assert eligibility(alice) == (True, ["eur", "gbp"], [])


def test_whoever_can_buy_nothing_in_any_currency_is_told(limit, alice):
    limit(0)
    assert eligibility(alice) == (False, [], [("spend_limit_reached", "gbp"), ("spend_limit_reached", None)])


def test_a_limit_from_before_in_what_nobody_charges_is_told_and_can_be_taken_back(limit, alice):
    SpendLimit.objects.create(user=alice, currency="xxx", amount=5000)
    assert eligibility(alice) == (False, [], [("spend_limit_reached", None)])
    limit(None, "XXX")
    a_day_later(alice)
    assert eligibility(alice) == (True, None, [])
