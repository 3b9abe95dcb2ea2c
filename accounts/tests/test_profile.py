"""One's own profile and preferences."""

import pytest

from accounts.models import Preferences, User
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
    assert (entry.actor, entry.before, entry.after["country"]) == (alice.pk, {"country": "GB"}, "FR")


def test_the_audit_which_forgets_nothing_knows_that_name_birth_and_region_changed_and_not_the_words(alice):
    User.objects.filter(pk=alice.pk).update(date_of_birth=None)
    said = {"display_name": "Alicia Somebody", "date_of_birth": "1987-03-21", "country": "US", "region": "US-WA"}
    client_of(alice).patch(PROFILE, said)
    entry = AuditEntry.objects.get(action="user.updated")
    # The country alone stays: taxes and licences are reported by it.
    assert (entry.before, entry.after) == ({"country": "GB"}, {"country": "US", "changed": sorted(said)})


ODD_NAMES = {
    "an address": "Win at https://evil.example",
    "a site": "Go to WWW.evil.example",
    "two lines": "Alice\nBcc: all@example.com",
    "two lines of another kind": "Alice\u2028Bob",
    "a bell": "Ali\u0007ce",
    "written backwards": "a\u202eb",
    "nothing to see": "\u200b\u200d\u3164",
}


@pytest.mark.parametrize("kind", ODD_NAMES)
@pytest.mark.parametrize("door", ["profile", "register"])
def test_a_name_that_would_lead_somewhere_or_break_a_line_is_refused(kind, door, alice, registration):
    client, name = client_of(alice), ODD_NAMES[kind]
    with nothing_written():
        if door == "profile":
            response = client.patch(PROFILE, {"display_name": name})
        else:
            response = client_of().post("/api/v1/auth/register", registration(display_name=name))
    problem = assert_problem(response, 400, "invalid", {"display_name"})
    assert [fault["code"] for fault in problem["errors"]] == ["odd_name"]


@pytest.mark.parametrize("name", ["Zoë O'Hara-Söhne", "J. R. Wwwerner", "शर्मा", "李 小龍", "Ann: 2/3", "👩\u200d🚀"])
def test_names_that_people_have_are_kept(name, alice):
    assert client_of(alice).patch(PROFILE, {"display_name": name}).json()["display_name"] == name


@pytest.mark.parametrize(
    "change",
    [
        {"id": "00000000-0000-7000-8000-000000000000"},
        {"email": "other@example.com"},
        {"email_verified": True},
        {"is_staff": True},
        {"roles": ["finance"]},
        {"is_superuser": True},
        {"joined_at": "2000-01-01T00:00:00Z"},
    ],
)
def test_nothing_else_can_be_set(change, charlie):
    client = client_of(charlie)
    before = client.get(PROFILE).json()
    assert_problem(client.patch(PROFILE, change), 400, fields=set(change))
    assert client.get(PROFILE).json() == before
    charlie.refresh_from_db()
    assert (charlie.is_staff, charlie.is_superuser, charlie.has_verified_email) == (False, False, False)


def test_a_change_of_nothing_is_not_audited(alice):
    client = client_of(alice)
    for path in (PROFILE, PREFERENCES):
        assert client.patch(path, {}).status_code == 200
    assert not AuditEntry.objects.filter(action__endswith=".updated").exists()


def test_preferences_come_into_being_when_they_are_missing(alice):
    Preferences.objects.all().delete()
    assert client_of(alice).get(PREFERENCES).json()["winner_name"] == "initials"
