"""Bearer mode and cookie mode: the same sessions under the same rules, one table of tests for both."""

import pytest

from accounts.models import Session, User
from accounts.tests.browsing import MODES, Device
from accounts.tests.refreshing import time_passes
from luxewin.tests.asking import assert_problem

PASSWORD, NEW = "correct horse battery staple", "quite another secret"


@pytest.fixture
def owner(alice) -> User:
    """Alice with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture(params=MODES)
def device(request, owner) -> Device:
    """Where Alice is signed in."""
    made = Device(request.param)
    assert made.sign_in(owner.email, PASSWORD).status_code == 200
    return made


def test_it_reads_and_writes_as_oneself(device, owner):
    assert device.ask("get", "users/profile").json()["id"] == str(owner.pk)
    assert device.ask("patch", "users/profile", {"country": "FR"}).json()["country"] == "FR"
    assert device.ask("get", "auth/sessions").json()["results"][0]["current"] is True


def test_it_buys(device, on_sale, new_key):
    body = {"raffle": str(on_sale().pk), "quantity": 2}
    answer = device.ask("post", "purchases/create", body, **new_key())
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    assert device.ask("get", "purchases/list").json()["results"][0]["id"] == answer.json()["id"]


def test_it_is_refreshed_within_one_session(device):
    for _ in range(2):
        assert device.refresh().status_code == 200
    assert device.ask("get", "users/profile").status_code == 200
    assert Session.objects.count() == 1


def test_a_stolen_refresh_token_ends_the_session_for_both_once_both_have_used_it(device):
    thief = device.stolen()
    assert thief.refresh().status_code == 200
    time_passes()
    assert_problem(device.refresh(), 401, "token_not_valid")
    assert_problem(thief.ask("get", "users/profile"), 401, "session_ended")
    assert_problem(thief.refresh(), 401, "token_not_valid")


def test_signing_out_ends_it_at_once_for_a_thief_too(device):
    thief = device.stolen()
    assert device.sign_out().status_code == 204
    for each in (device, thief):
        assert each.ask("get", "users/profile").status_code == 401
    assert_problem(thief.refresh(), 401, "token_not_valid")


def test_another_device_ends_it_at_once(device, owner):
    other = Device("bearer")
    other.sign_in(owner.email, PASSWORD)
    assert other.ask("delete", "auth/sessions").status_code == 204
    assert_problem(device.ask("get", "users/profile"), 401, "session_ended")
    assert_problem(device.refresh(), 401, "token_not_valid")


def test_a_new_password_ends_every_session_and_this_device_goes_on_in_a_new_one(device, owner):
    thief = device.stolen()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert device.take(device.ask("post", "users/password", body)).status_code == 200
    assert device.ask("get", "users/profile").status_code == 200
    assert device.refresh().status_code == 200
    assert_problem(thief.ask("get", "users/profile"), 401, "session_ended")
    assert_problem(thief.refresh(), 401, "token_not_valid")


def test_what_was_stolen_buys_nothing_once_the_session_has_ended(device, owner, on_sale, new_key):
    raffle, thief = on_sale(), device.stolen()
    owner.sessions.all().end()
    answer = thief.ask("post", "purchases/create", {"raffle": str(raffle.pk), "quantity": 2}, **new_key())
    assert_problem(answer, 401, "session_ended")
    assert owner.purchases.count() == 0


def test_deactivation_ends_it_at_once(device, owner):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert_problem(device.ask("get", "users/profile"), 401, "user_inactive")
    assert_problem(device.refresh(), 401, "token_not_valid")


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_password_signs_nobody_in(mode, owner):
    device = Device(mode)
    assert_problem(device.sign_in(owner.email, "wrong"), 401, "wrong_credentials")
    assert device.ask("get", "users/profile").status_code == 401
    assert Session.objects.count() == 0
