"""Ages count by the latest calendar of where somebody lives, to the minute and on every birthday."""

import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from iso3166 import countries_by_alpha2

from accounts.eligibility import age_of, eligibility_of

pytestmark = pytest.mark.django_db
# Nobody lives there, or no zone is theirs alone: their calendar is the last on earth.
UNLISTED = {"BV", "HM"}


def zones():
    """By country."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_last_zones()")
        return json.loads(cursor.fetchone()[0])


def age(born, country, moment):
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_age(%s, %s, %s)", [born, country, moment])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("country", "moment", "years"),
    [
        # The birthday is 2026-06-15; each pair is the last minute before it and the first of it.
        ("GB", "2026-06-14T22:59Z", 17),
        ("GB", "2026-06-14T23:00Z", 18),
        ("NZ", "2026-06-14T11:59Z", 17),
        ("NZ", "2026-06-14T12:00Z", 18),
        ("US", "2026-06-15T09:59Z", 17),
        ("US", "2026-06-15T10:00Z", 18),
        ("AU", "2026-06-14T15:59Z", 17),
        ("AU", "2026-06-14T16:00Z", 18),
        ("PT", "2026-06-14T23:59Z", 17),
        ("PT", "2026-06-15T00:00Z", 18),
        ("RU", "2026-06-14T21:59Z", 17),
        ("RU", "2026-06-14T22:00Z", 18),
        # Of a place that nobody knows the last on earth counts.
        ("", "2026-06-15T11:59Z", 17),
        ("??", "2026-06-15T12:00Z", 18),
    ],
)
def test_a_birthday_counts_once_it_has_begun_in_the_whole_country(country, moment, years):
    assert age(date(2008, 6, 15), country, moment) == years


@pytest.mark.parametrize(
    ("born", "day", "years"),
    [
        (date(2008, 2, 29), "2026-02-28", 17),
        (date(2008, 2, 29), "2026-03-01", 18),
        (date(2008, 2, 29), "2028-02-29", 20),
        (date(2010, 3, 1), "2028-02-29", 17),
        (date(2008, 12, 31), "2026-12-30", 17),
        (date(2008, 12, 31), "2026-12-31", 18),
        (date(2008, 1, 31), "2026-01-31", 18),
    ],
)
def test_a_year_of_life_ends_on_the_birthday_or_on_1_march(born, day, years):
    assert age(born, "GB", f"{day}T12:00Z") == years


def test_every_country_has_a_calendar():
    assert set(countries_by_alpha2) - set(zones()) == UNLISTED
    moment = datetime.now(ZoneInfo("UTC"))
    # Python and PostgreSQL have their own tables of zones; both must know each.
    assert all(moment.astimezone(ZoneInfo(zone)) for zone in zones().values())


def test_registering_and_buying_ask_the_same(alice):
    born = date(2008, 2, 29)
    alice.date_of_birth, alice.country = born, "US"
    alice.save()
    assert eligibility_of(alice.pk).age == age_of(born, "US")
