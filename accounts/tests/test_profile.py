"""One's own profile and preferences."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Preferences
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

PROFILE, PREFERENCES = "/api/v1/users/profile", "/api/v1/users/preferences"


def test_everybody_sees_their_own(alice, mona):
    assert client_of(alice).get(PROFILE).json()["email"] == "alice@example.com"
    assert client_of(mona).get(PROFILE).json()["roles"] == ["raffle managers"]


def test_name_and_country_change_and_the_change_is_audited(alice):
    response = client_of(alice).patch(PROFILE, {"display_name": "Alice B.", "country": "fr"})
    assert (response.json()["display_name"], response.json()["country"]) == ("Alice B.", "FR")
    alice.refresh_from_db()
    assert (alice.display_name, alice.country) == ("Alice B.", "FR")
    entry = AuditEntry.objects.get(action="user.updated")
    assert (entry.actor, entry.before["country"], entry.after["country"]) == (alice.pk, "GB", "FR")


@pytest.mark.parametrize(
    "change",
    [
        {"id": "00000000-0000-7000-8000-000000000000"},
        {"email": "other@example.com"},
        {"email_verified": True},
        {"is_staff": True},
        {"date_of_birth": "1950-01-01"},
        {"roles": ["finance"]},
        {"is_superuser": True},
        {"joined_at": "2000-01-01T00:00:00Z"},
    ],
)
def test_nothing_else_changes(change, charlie):
    client = client_of(charlie)
    before = client.get(PROFILE).json()
    assert client.patch(PROFILE, change).json() == before
    charlie.refresh_from_db()
    assert (charlie.is_staff, charlie.is_superuser, charlie.is_verified) == (False, False, False)


def test_a_change_of_nothing_is_not_audited(alice):
    client = client_of(alice)
    for path in (PROFILE, PREFERENCES):
        assert client.patch(path, {}).status_code == 200
    assert not AuditEntry.objects.filter(action__endswith=".updated").exists()


def test_preferences_change_and_are_kept(alice):
    change = {"time_zone": "Europe/Vienna", "email_draws": False, "winner_name": "anonymous", "marketing_consent": True}
    client = client_of(alice)
    assert client.patch(PREFERENCES, change).json().items() >= change.items()
    assert client.get(PREFERENCES).json().items() >= change.items()
    assert timezone.now() - Preferences.objects.get(user=alice).marketing_consent_at < timedelta(minutes=1)


def test_consent_keeps_its_time_until_it_is_withdrawn(alice):
    client = client_of(alice)
    client.patch(PREFERENCES, {"marketing_consent": True})
    given = Preferences.objects.get(user=alice).marketing_consent_at
    client.patch(PREFERENCES, {"marketing_consent": True})
    assert Preferences.objects.get(user=alice).marketing_consent_at == given
    client.patch(PREFERENCES, {"marketing_consent": False})
    assert Preferences.objects.get(user=alice).marketing_consent_at is None


def test_preferences_come_into_being_when_they_are_missing(alice):
    Preferences.objects.all().delete()
    assert client_of(alice).get(PREFERENCES).json()["winner_name"] == "initials"


def test_every_wrong_preference_is_named(alice):
    wrong = {
        "language": "xx",
        "time_zone": "Mars/Olympus",
        "email_draws": "x",
        "winner_name": "king",
        "marketing_consent": "x",
    }
    client = client_of(alice)
    with nothing_written():
        response = client.patch(PREFERENCES, wrong)
    assert_problem(response, 400, "invalid", set(wrong))
