"""What the rules go by can be completed, but not changed from purchase to purchase."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

PROFILE = "/api/v1/users/profile"


@pytest.fixture
def newcomer(person):
    """Somebody of whom nothing is known, as after a sign-in through somebody else."""
    user = person("nora")
    User.objects.filter(pk=user.pk).update(date_of_birth=None, country="", region="")
    return client_of(user)


def change(client, **fields):
    return client.patch(PROFILE, fields)


def test_what_is_not_known_can_be_given_once(newcomer):
    assert not newcomer.get(PROFILE).json()["safeguards"]["may_buy"]
    assert change(newcomer, date_of_birth="1990-05-17", country="us", region="us-ny").json()["safeguards"]["may_buy"]
    with nothing_written():
        assert_problem(change(newcomer, date_of_birth="1950-01-01"), 400, "invalid", {"date_of_birth"})
        assert_problem(change(newcomer, date_of_birth=None), 400, "invalid", {"date_of_birth"})
    assert change(newcomer, date_of_birth="1990-05-17").status_code == 200


@pytest.mark.parametrize("day", ["1899-12-31", "2999-01-01", "yesterday", "1990-02-30", 5, True, ["1990-01-01"]])
def test_an_impossible_date_of_birth_is_refused(day, newcomer):
    with nothing_written():
        assert_problem(change(newcomer, date_of_birth=day), 400, "invalid", {"date_of_birth"})


def test_who_is_too_young_is_believed_and_may_not_buy(newcomer):
    young = timezone.now().date() - timedelta(days=16 * 366)
    shown = change(newcomer, date_of_birth=young.isoformat(), country="GB").json()["safeguards"]
    assert [each["code"] for each in shown["reasons"]] == ["under_age"]


def test_one_can_move_once_in_90_days(alice):
    client = client_of(alice)
    assert change(client, country="FR").json()["country"] == "FR"
    with nothing_written():
        refused = assert_problem(change(client, country="GB"), 409, "place_fixed")
    alice.refresh_from_db()
    assert refused["changeable_at"][:19] == (alice.place_changed_at + timedelta(days=90)).isoformat()[:19]
    User.objects.update(place_changed_at=timezone.now() - timedelta(days=90))
    assert change(client, country="GB").json()["country"] == "GB"
    assert AuditEntry.objects.filter(action="user.updated").count() == 2


def test_a_region_moves_with_its_country_and_is_completed_freely(alice):
    client = client_of(alice)
    assert change(client, region="GB-ENG").json()["region"] == "GB-ENG"
    assert change(client, country="US").json()["region"] == ""
    assert change(client, region="us-wa").json()["region"] == "US-WA"
    with nothing_written():
        for region in ("US-NY", ""):
            assert_problem(change(client, region=region), 409, "place_fixed")


@pytest.mark.parametrize("region", ["US-WA", "GB", "GB-", "GBENG", "GB-\u00c4", "x" * 500, 5, None])
def test_what_is_no_region_of_one_s_country_is_refused(region, alice):
    client = client_of(alice)
    with nothing_written():
        assert_problem(change(client, region=region), 400, "invalid", {"region"})


def test_a_name_can_be_changed_at_any_time(alice):
    client = client_of(alice)
    change(client, country="FR")
    assert change(client, display_name="Alice B.", country="FR").status_code == 200
