"""Who may buy: age and place by the rules in force, what is missing for that, and the terms."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.eligibility import eligibilities_of, eligibility_of
from accounts.models import CountryRule, Terms, TermsAcceptance, User
from accounts.services import accept_terms
from accounts.tests.guarding import publish, rule
from luxewin.api.problems import InvalidInput
from luxewin.tests.asking import assert_problem, client_of, nothing_written

pytestmark = pytest.mark.django_db
PROFILE, TERMS = "/api/v1/users/profile", "/api/v1/users/terms"


def barriers(user, **fields):
    """Codes of what keeps the person from buying, with these fields of theirs."""
    User.objects.filter(pk=user.pk).update(**fields)
    return eligibility_of(user.pk).barriers


def born(*, years: int, days: int = 0) -> date:
    """Somebody whose birthday was so many days ago turned so many years then; by London's calendar."""
    with connection.cursor() as cursor:
        today = "(statement_timestamp() AT TIME ZONE 'Europe/London')::date"
        cursor.execute(f"SELECT ({today} - make_interval(years => %s, days => %s))::date", [years, days])
        return cursor.fetchone()[0]


def test_nothing_stands_in_the_way_of_a_grown_up_whose_profile_is_whole(alice):
    assert barriers(alice) == []


def test_one_is_old_enough_on_one_s_birthday_and_not_the_day_before(alice):
    assert barriers(alice, date_of_birth=born(years=18)) == []
    assert barriers(alice, date_of_birth=born(years=18, days=-1)) == ["under_age"]


def test_the_minimum_age_is_a_setting_and_a_rule_can_only_raise_it(alice, settings):
    alice_is_20 = born(years=20)
    rule("GB", minimum_age=16)
    assert barriers(alice, date_of_birth=alice_is_20) == []
    settings.MINIMUM_AGE = 21
    assert barriers(alice) == ["under_age"]
    settings.MINIMUM_AGE = 18
    rule("GB", minimum_age=21)
    assert barriers(alice) == ["under_age"]
    assert eligibility_of(alice.pk).minimum_age == 21


@pytest.mark.parametrize(("field", "unknown"), [("date_of_birth", None), ("country", "")])
def test_what_is_not_known_keeps_one_from_buying_and_is_named(field, unknown, alice):
    assert barriers(alice, **{field: unknown}) == ["profile_incomplete"]
    assert eligibility_of(alice.pk).missing == [field]


def test_the_newest_rule_that_has_begun_decides(alice):
    now = timezone.now()
    rule("GB", allowed=False, effective_from=now - timedelta(days=2))
    assert barriers(alice) == ["country_not_allowed"]
    rule("GB", allowed=True, effective_from=now - timedelta(days=1))
    rule("GB", allowed=False, effective_from=now + timedelta(days=1))
    assert barriers(alice) == []
    assert barriers(alice, country="FR") == []


def test_a_region_s_rule_goes_before_its_country_s_and_makes_the_region_wanted(alice):
    assert barriers(alice, country="US") == []
    rule("US", "US-WA", allowed=False)
    assert barriers(alice) == ["profile_incomplete"]
    assert eligibility_of(alice.pk).missing == ["region"]
    assert barriers(alice, region="US-WA") == ["country_not_allowed"]
    assert barriers(alice, region="US-NY") == []
    rule("US", allowed=False)
    rule("US", "US-NY", minimum_age=21)
    assert barriers(alice) == []
    assert barriers(alice, region="US-CA") == ["country_not_allowed"]


def test_a_rule_that_has_begun_is_never_changed_and_one_that_has_not_can_be_taken_back():
    begun, ahead = rule("GB"), rule("GB", effective_from=timezone.now() + timedelta(days=1))
    for change in (lambda rows: rows.update(allowed=False), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change(CountryRule.objects.filter(pk=begun.pk))
    CountryRule.objects.filter(pk=ahead.pk).delete()


@pytest.mark.parametrize("region", ["GB-ENG", "US", "US-", "us-wa", "US-ABCD"])
def test_a_rule_s_region_is_one_of_its_country(region):
    with pytest.raises(DatabaseError), transaction.atomic():
        rule("US", region)


def test_everything_is_told_at_once_and_the_weightiest_first(alice):
    rule("GB", allowed=False)
    publish("1")
    client = client_of(alice)
    client.post("/api/v1/users/safeguards/pause", {"hours": 24})
    User.objects.filter(pk=alice.pk).update(date_of_birth=born(years=17), email_verified_at=None)
    shown = client.get(PROFILE).json()["safeguards"]
    codes = [each["code"] for each in shown["reasons"]]
    assert codes == ["paused", "under_age", "country_not_allowed", "terms_not_accepted", "email_not_verified"]
    assert all(each["detail"] for each in shown["reasons"])
    assert (shown["may_buy"], shown["old_enough"], shown["country_allowed"]) == (False, False, False)


def test_people_are_asked_about_together(alice, bob):
    User.objects.filter(pk=bob.pk).update(date_of_birth=None)
    found = eligibilities_of([alice.pk, bob.pk])
    assert {user: eligibility.barriers for user, eligibility in found.items()} == {
        alice.pk: [],
        bob.pk: ["profile_incomplete"],
    }


def test_the_newest_terms_in_force_have_to_be_accepted(alice):
    publish("old", effective_from=timezone.now() - timedelta(days=1))
    client = client_of(alice)
    assert barriers(alice) == ["terms_not_accepted"]
    shown = client.post(TERMS, {"version": "old"}, REMOTE_ADDR="203.0.113.9").json()
    assert (shown["terms"]["accepted"], shown["may_buy"]) == (True, True)
    assert TermsAcceptance.objects.get().address == "203.0.113.9"
    publish("next", effective_from=timezone.now() + timedelta(days=1))
    assert barriers(alice) == []
    publish("new")
    assert barriers(alice) == ["terms_not_accepted"]
    assert client_of().get("/api/v1/auth/terms").json()["version"] == "new"


def test_accepting_twice_is_accepting_once(alice):
    publish("1")
    client = client_of(alice)
    client.post(TERMS, {"version": "1"})
    with nothing_written():
        assert client.post(TERMS, {"version": "1"}).status_code == 200


@pytest.mark.parametrize("version", ["old", "next", "unknown"])
def test_only_what_is_in_force_can_be_accepted(version, alice):
    for name, days in {"old": -2, "now": -1, "next": 1}.items():
        publish(name, effective_from=timezone.now() + timedelta(days=days))
    client = client_of(alice)
    with nothing_written():
        assert_problem(client.post(TERMS, {"version": version}), 400, "invalid", {"version"})
    with pytest.raises(InvalidInput):
        accept_terms(alice, version=version)


def test_published_terms_and_acceptances_never_change_but_an_address_can_be_forgotten(alice):
    terms = publish("1")
    accept_terms(alice, version="1")
    changes = [
        lambda: Terms.objects.filter(pk=terms.pk).update(url="https://other.example"),
        lambda: Terms.objects.filter(pk=terms.pk).delete(),
        lambda: TermsAcceptance.objects.update(at=timezone.now()),
        lambda: TermsAcceptance.objects.update(address="203.0.113.1"),
        lambda: TermsAcceptance.objects.all().delete(),
    ]
    for change in changes:
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert TermsAcceptance.objects.update(address=None) == 1


def test_terms_can_be_accepted_with_the_registration(registration):
    publish("1")
    made = registration(terms_version="1", country="us", region="us-ny")
    assert client_of().post("/api/v1/auth/register", made).status_code == 201
    user = User.objects.get(email=made["email"])
    assert (eligibility_of(user.pk).barriers, user.region) == ([], "US-NY")
    without = registration()
    client_of().post("/api/v1/auth/register", without)
    assert barriers(User.objects.get(email=without["email"])) == ["terms_not_accepted"]


def test_a_registration_with_other_terms_or_a_foreign_region_names_both(registration):
    publish("1")
    wrong = registration(terms_version="2")
    assert_problem(client_of().post("/api/v1/auth/register", wrong), 400, "invalid", {"terms_version"})
    wrong = registration(region="US-NY")
    assert_problem(client_of().post("/api/v1/auth/register", wrong), 400, "invalid", {"region"})
