"""Pauses and self-exclusions: longer, never shorter, whoever tries; an exclusion ends marketing."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.eligibility import eligibility_of
from accounts.errors import EmailNotVerified
from accounts.links import verification_links
from accounts.models import ExcludedAddress, Notification, Preferences, Safeguards, User
from accounts.services import exclude_from_buying, pause_buying, set_spend_limit, verify_email
from accounts.services.exclusions import remember_exclusion
from accounts.tests.guarding import over
from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

SAFEGUARDS, PREFERENCES = "/api/v1/users/safeguards", "/api/v1/users/preferences"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def mine(alice):
    """Alice's device; she has no password unless a test gives her one."""
    return client_of(alice)


def pause(client, hours):
    return client.post(f"{SAFEGUARDS}/pause", {"hours": hours})


def exclude(client, months, **more):
    return client.post(f"{SAFEGUARDS}/exclude", {"months": months} | more)


def ends_in(text: str) -> timedelta:
    return datetime.fromisoformat(text) - timezone.now()


def test_a_pause_begins_at_once_and_says_until_when(mine, alice):
    shown = pause(mine, 48).json()
    assert [each["code"] for each in shown["reasons"]] == ["paused"]
    assert not shown["may_buy"]
    assert timedelta(hours=47, minutes=59) < ends_in(shown["paused_until"]) <= timedelta(hours=48)
    assert Notification.objects.mails().get(user=alice, kind="paused").context["by_staff"] is False
    assert AuditEntry.objects.get(action="safeguards.paused").actor == alice.pk


def test_a_pause_can_be_made_longer_and_not_shorter(mine):
    until = pause(mine, 48).json()["paused_until"]
    with nothing_written():
        refused = pause(mine, 24)
    assert assert_problem(refused, 409, "stays_in_force")["until"] == until
    assert pause(mine, 72).json()["paused_until"] > until


def test_after_a_pause_one_may_buy_again_and_pause_again(mine, alice):
    pause(mine, 24)
    over(alice)
    assert mine.get(SAFEGUARDS).json()["may_buy"]
    assert not pause(mine, 24).json()["may_buy"]


@pytest.mark.parametrize("hours", [0, 23, 183 * 24 + 1, -1, None, "24", 10**20])
def test_a_pause_lasts_a_day_to_six_months(hours, mine):
    with nothing_written():
        assert_problem(pause(mine, hours), 400, "invalid", {"hours"})


def test_an_exclusion_begins_at_once_and_lasts_six_months_at_least(mine):
    shown = exclude(mine, 6).json()
    assert [each["code"] for each in shown["reasons"]] == ["self_excluded"]
    assert timedelta(days=180) < ends_in(shown["excluded_until"]) < timedelta(days=185)


@pytest.mark.parametrize("months", [0, 5, 61, -6, "6", 10**20])
def test_a_shorter_or_a_senseless_exclusion_is_refused(months, mine):
    with nothing_written():
        assert_problem(exclude(mine, months), 400, "invalid", {"months"})


@pytest.mark.parametrize(("months", "hours"), [(0, 0), (5, 23), (61, 183 * 24 + 1)])
def test_the_bounds_hold_at_every_door(months, hours, alice, sam):
    with nothing_written(), pytest.raises(InvalidInput):
        exclude_from_buying(alice, months=months, password=None, actor=sam)
    with nothing_written(), pytest.raises(InvalidInput):
        pause_buying(alice, hours=hours, actor=sam)


def test_an_exclusion_can_be_made_longer_and_not_shorter(mine):
    until = exclude(mine, 12).json()["excluded_until"]
    with nothing_written():
        assert assert_problem(exclude(mine, 6), 409, "stays_in_force")["until"] == until
    assert exclude(mine, 24).json()["excluded_until"] > until
    assert exclude(mine, None).json()["excluded_forever"] is True


def test_for_good_is_for_good(mine, alice):
    assert exclude(mine, None).json()["reasons"][0]["detail"].endswith("permanently.")
    with nothing_written():
        for months in (60, None):
            assert assert_problem(exclude(mine, months), 409, "stays_in_force")["until"] is None
    over(alice)
    assert not mine.get(SAFEGUARDS).json()["may_buy"]


def test_whoever_has_a_password_gives_it_again(alice):
    alice.set_password(PASSWORD)
    alice.save()
    client = client_of(alice)
    assert_problem(exclude(client, 6), 400, "invalid", {"password"})
    assert_problem(exclude(client, 6, password="another one entirely"), 400, "invalid", {"password"})
    assert not Safeguards.objects.exists()
    assert exclude(client, 6, password=PASSWORD).status_code == 200


REGISTER, LOGIN = "/api/v1/auth/register", "/api/v1/auth/login"


def test_a_stranger_who_registers_an_address_excludes_nobody(registration, db):
    stranger, body = client_of(), registration()
    stranger.post(REGISTER, body)
    access = stranger.post(LOGIN, {"email": body["email"], "password": body["password"]}).json()["access"]
    stranger.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    with nothing_written():
        assert_problem(exclude(stranger, None, password=body["password"]), 403, "email_not_verified")
    client_of().post(REGISTER, registration(email=body["email"], password="the owner's own secret"))
    owner = User.objects.get(email=body["email"])
    verify_email(token=verification_links.token_for(owner), password="the owner's own secret")
    assert eligibility_of(owner.pk).barriers == []


WISHES = {
    "pause": lambda user, actor: pause_buying(user, hours=24, actor=actor),
    "exclusion": lambda user, actor: exclude_from_buying(user, months=None, password=None, actor=actor),
    "limit": lambda user, actor: set_spend_limit(user, currency="gbp", limit=0),
}


@pytest.mark.parametrize("wish", WISHES)
def test_nothing_is_set_up_for_an_address_that_nobody_verified_not_even_by_staff(wish, charlie, sam):
    for actor in (charlie, sam):
        with nothing_written(), pytest.raises(EmailNotVerified):
            WISHES[wish](charlie, actor)


def test_no_digest_is_kept_of_an_address_that_nobody_verified(alice, charlie):
    for user in (alice, charlie):
        Safeguards.objects.create(user=user, excluded_forever=True)
        remember_exclusion(user)
    assert ExcludedAddress.objects.count() == 1


SHORTER = {
    "taken back": {"excluded_until": None},
    "shorter": {"excluded_until": timezone.now() + timedelta(days=1)},
    "not for good": {"excluded_forever": False},
    "no pause": {"paused_until": None},
    "a shorter pause": {"paused_until": timezone.now()},
}


@pytest.mark.parametrize("change", SHORTER)
def test_the_database_itself_keeps_what_is_in_force(change, mine, alice):
    pause(mine, 48)
    exclude(mine, 12)
    exclude(mine, None)
    with pytest.raises(DatabaseError, match="not shortened"), transaction.atomic():
        Safeguards.objects.filter(user=alice).update(**SHORTER[change])


def test_the_database_itself_keeps_the_row(mine, alice, bob):
    exclude(mine, 6)
    for change in (lambda rows: rows.delete(), lambda rows: rows.update(user=bob)):
        with pytest.raises(DatabaseError, match="not shortened"), transaction.atomic():
            change(Safeguards.objects.filter(user=alice))


def test_an_exclusion_ends_marketing_and_none_can_be_consented_to(mine, alice):
    mine.patch(PREFERENCES, {"marketing_consent": True})
    exclude(mine, 6)
    assert mine.get(PREFERENCES).json()["marketing_consent"] is False
    assert AuditEntry.objects.get(action="consent.withdrawn").after["by"] == "self-exclusion"
    with nothing_written():
        assert_problem(mine.patch(PREFERENCES, {"marketing_consent": True}), 403, "self_excluded")
    with pytest.raises(DatabaseError, match="nobody who is excluded"), transaction.atomic():
        Preferences.objects.filter(user=alice).update(marketing_consent_at=timezone.now())
    over(alice)
    assert mine.patch(PREFERENCES, {"marketing_consent": True}).json()["marketing_consent"] is True


def test_the_mail_of_an_exclusion_says_how_long_and_who_did_it(alice, sam):
    exclude_from_buying(alice, months=6, password=None, actor=sam, reason="She called.")
    context = Notification.objects.mails().get(user=alice, kind="excluded").context
    assert context["by_staff"] is True
    assert datetime.fromisoformat(context["until"]) == Safeguards.objects.get().excluded_until
    entry = AuditEntry.objects.get(action="safeguards.excluded")
    assert (entry.actor, entry.after["reason"]) == (sam.pk, "She called.")


@pytest.mark.parametrize("password", [12345, 1.5, True, ["a"], {"a": 1}])
def test_a_password_is_text_also_of_those_who_have_none(alice, password):
    User.objects.filter(pk=alice.pk).update(password=make_password(None))
    answer = client_of(alice).post("/api/v1/users/safeguards/exclude", {"months": 12, "password": password})
    assert_problem(answer, 400, "invalid", {"password"})
    assert not Safeguards.objects.filter(user=alice).exists()
