"""A sign-in that is over hides nothing that is public, and whatever answer notices it takes its cookies away."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured

from accounts.models import Session, User
from accounts.signatures import AccessToken
from accounts.tests.browsing import MODES, Device
from luxewin.tests.asking import assert_problem, client_of

PASSWORD = "correct horse battery staple"
PUBLIC = ["raffles/list", "raffles/list?phase=open", "raffles/fine-watch", "verification/list", "schema", "auth/csrf"]
DEAD = ["garbage", "expired", "ended", "closed", "erased", "a refresh token", "half a header"]


@pytest.fixture
def owner(alice) -> User:
    """Alice with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


def _expired(user: User) -> str:
    token = AccessToken.for_user(user)
    token["sid"] = Session.objects.get().pk.hex
    token.set_exp(lifetime=-timedelta(minutes=1))
    return str(token)


@pytest.fixture
def dead(owner):
    """Makes a device in that mode whose sign-in is over in that way."""

    def make(mode: str, way: str) -> Device:
        device = Device(mode)
        device.sign_in(owner.email, PASSWORD)
        refresh = device.refresh_token if mode == "bearer" else device.cookie("REFRESH_COOKIE").value
        if way == "ended":
            Session.objects.end()
        elif way == "closed":
            User.objects.filter(pk=owner.pk).update(is_active=False)
        elif way == "erased":
            Session.objects.all().delete()
        else:
            tokens = {"garbage": "x.y.z", "expired": _expired(owner), "a refresh token": refresh, "half a header": ""}
            if mode == "bearer":
                device.headers["Authorization"] = f"Bearer {tokens[way]}".strip()
            else:
                device.http.cookies[configured.ACCESS_COOKIE] = tokens[way] or "x"
        return device

    return make


def dropped(device: Device) -> set[str]:
    """Which cookies the browser was told to forget."""
    names = {"ACCESS_COOKIE": "access", "REFRESH_COOKIE": "refresh", "SIGNED_IN_COOKIE": "signed in"}
    return {said for name, said in names.items() if (found := device.cookie(name)) and found["max-age"] == 0}


def _seen(answer: Any) -> tuple[int, Any]:
    found = answer.json() if "json" in answer["Content-Type"] else answer.content
    return answer.status_code, "a token" if isinstance(found, dict) and "csrf_token" in found else found


@pytest.mark.parametrize("way", DEAD)
@pytest.mark.parametrize("mode", MODES)
def test_public_pages_answer_as_for_anyone(mode, way, dead, on_sale):
    on_sale(slug="fine-watch")
    device = dead(mode, way)
    for path in PUBLIC:
        cookies = dict(device.http.cookies)
        assert _seen(device.ask("get", path)) == _seen(client_of().get(f"/api/v1/{path}")), path
        device.http.cookies.clear()
        device.http.cookies.update(cookies)


@pytest.mark.parametrize("way", DEAD)
@pytest.mark.parametrize("mode", MODES)
def test_they_keep_nobody_from_signing_in_up_or_asking_for_a_link(mode, way, dead, owner, registration):
    device = dead(mode, way)
    User.objects.filter(pk=owner.pk).update(is_active=True)
    for path, body, status in (
        ("auth/register", registration(), 201),
        ("auth/password/forgot", {"email": owner.email}, 202),
        ("auth/verify/resend", {"email": owner.email}, 202),
        ("auth/login", {"email": owner.email, "password": PASSWORD}, 200),
    ):
        assert device.ask("post", path, body).status_code == status, path


@pytest.mark.parametrize("way", DEAD)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_one_s_own_stays_closed(mode, way, dead):
    assert_problem(dead(mode, way).ask("get", "users/profile"), 401)


@pytest.mark.parametrize("path", ["raffles/list", "users/profile", "purchases/list", "verification/list"])
@pytest.mark.parametrize("way", ["ended", "closed", "erased"])
def test_whatever_notices_an_ended_session_drops_both_cookies(way, path, dead):
    device = dead("cookie", way)
    answer = device.ask("get", path)
    assert dropped(device) == {"access", "refresh", "signed in"}
    assert answer["Cache-Control"] == "no-store"
    for name, at in (("ACCESS_COOKIE", "/"), ("REFRESH_COOKIE", "/api/v1/auth")):
        assert answer.cookies[getattr(configured, name)]["path"] == at


@pytest.mark.parametrize("way", ["ended", "closed", "erased"])
def test_the_purchase_that_reads_the_session_in_its_own_statement_does_too(way, dead, on_sale, new_key):
    raffle = on_sale()
    device = dead("cookie", way)
    answer = device.ask("post", "purchases/create", {"raffle": str(raffle.pk), "quantity": 1}, **new_key())
    assert answer.status_code == 401
    assert dropped(device) == {"access", "refresh", "signed in"}


@pytest.mark.parametrize("way", ["garbage", "expired"])
def test_a_token_that_is_no_good_leaves_the_refresh_cookie(way, dead):
    device = dead("cookie", way)
    assert_problem(device.ask("get", "users/profile"), 401, "token_not_valid")
    assert dropped(device) == {"access"}
    assert device.refresh().status_code == 200
    assert device.ask("get", "users/profile").status_code == 200


@pytest.mark.parametrize("way", ["ended", "erased"])
def test_a_refresh_that_is_refused_drops_both_cookies(way, dead):
    device = dead("cookie", way)
    assert_problem(device.refresh(), 401, "token_not_valid")
    assert dropped(device) == {"access", "refresh", "signed in"}


def test_a_living_session_s_answers_drop_nothing(owner, on_sale):
    device = Device("cookie")
    device.sign_in(owner.email, PASSWORD)
    for path in ("raffles/list", "users/profile"):
        assert device.ask("get", path).status_code == 200
    assert dropped(device) == set()


def test_an_answer_to_a_bearer_drops_no_cookie(dead):
    device = dead("cookie", "ended")
    device.headers["Authorization"] = "Bearer x"
    device.ask("get", "users/profile")
    assert dropped(device) == set()
