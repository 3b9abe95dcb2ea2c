"""Cookie mode from an attacker's side: scripts see no token, other sites do nothing, no token is another."""

import subprocess
import sys

import pytest
from django.conf import settings as configured
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.tests.browsing import Device
from accounts.tokens import open_session
from luxewin.tests.asking import assert_problem, nothing_written

PASSWORD = "correct horse battery staple"


@pytest.fixture
def owner(alice) -> User:
    """Alice with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture
def device(owner) -> Device:
    """Where Alice is signed in with cookies."""
    made = Device("cookie")
    assert made.sign_in(owner.email, PASSWORD).status_code == 200
    return made


def test_no_answer_shows_a_token_and_no_script_reads_one(owner):
    device = Device("cookie")
    for answer in (device.sign_in(owner.email, PASSWORD), device.refresh()):
        text = answer.content.decode()
        for name, path, same_site in (("ACCESS_COOKIE", "/", "Lax"), ("REFRESH_COOKIE", "/api/v1/auth", "Strict")):
            cookie = device.cookie(name)
            assert cookie.value not in text
            assert (cookie["httponly"], cookie["path"], cookie["samesite"]) == (True, path, same_site)
            assert cookie["domain"] == ""
            assert cookie["max-age"] > 0
    assert set(answer.json()) == set()


def test_scripts_may_read_that_there_is_a_session_and_no_more(owner, device):
    for _ in range(2):
        shown = device.cookie("SIGNED_IN_COOKIE")
        assert (shown.value, shown["httponly"], shown["path"], shown["samesite"]) == ("1", "", "/", "Lax")
        assert shown["max-age"] == device.cookie("REFRESH_COOKIE")["max-age"]
        device.refresh()
    device.sign_out()
    assert device.cookie("SIGNED_IN_COOKIE")["max-age"] == 0
    # Alone it opens nothing.
    stranger = Device("cookie")
    stranger.http.cookies[configured.SIGNED_IN_COOKIE] = "1"
    assert stranger.ask("get", "users/profile").status_code == 401


def test_bearer_mode_sets_no_cookie(owner):
    device = Device("bearer")
    device.sign_in(owner.email, PASSWORD)
    device.refresh()
    assert device.http.cookies == {}


def test_over_tls_both_cookies_are_secure(owner, settings):
    settings.SESSION_COOKIE_SECURE = True
    device = Device("cookie")
    device.sign_in(owner.email, PASSWORD)
    assert device.cookie("ACCESS_COOKIE")["secure"]
    assert device.cookie("REFRESH_COOKIE")["secure"]


def test_in_production_their_names_hold_browsers_to_tls():
    names = "s.ACCESS_COOKIE, s.REFRESH_COOKIE, s.SIGNED_IN_COOKIE, s.SESSION_COOKIE_SECURE"
    code = f"from luxewin import settings as s; print({names})"
    run = subprocess.run(
        [sys.executable, "-c", code], env={}, cwd=configured.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["__Host-access", "__Secure-refresh", "__Host-signed-in", "True"]


LOGIN = {"email": "alice@example.com", "password": PASSWORD, "mode": "cookie"}
FORGERIES = {
    "no token": {"X-CSRFToken": ""},
    "a token of one's own": {"X-CSRFToken": "a" * 64},
    "a foreign origin": {"Origin": "https://evil.example"},
    "no origin": {"Origin": "null"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize(("path", "body"), [("auth/refresh", {}), ("auth/logout", {}), ("auth/login", LOGIN)])
def test_a_page_of_another_site_neither_signs_in_nor_out(path, body, forgery, device):
    """Signing somebody in to the attacker's own account is an attack too. For all other routes see test_csrf."""
    before = list(Session.objects.alive().values())
    with nothing_written():
        assert_problem(device.ask("post", path, body, **FORGERIES[forgery]), 403, "csrf_failed")
    assert list(Session.objects.alive().values()) == before


def test_the_front_end_s_origin_is_let_through(device, settings):
    origin = {"Origin": "https://site.example"}
    assert_problem(device.ask("patch", "users/profile", {"country": "FR"}, **origin), 403, "csrf_failed")
    settings.CSRF_TRUSTED_ORIGINS = ["https://site.example"]
    assert device.ask("patch", "users/profile", {"country": "FR"}, **origin).status_code == 200


def test_the_csrf_token_of_before_the_sign_in_is_dead(owner):
    device = Device("cookie")
    device.fetch_csrf()
    before = device.headers
    device.sign_in(owner.email, PASSWORD)
    device.headers = before
    assert_problem(device.ask("patch", "users/profile", {"country": "FR"}), 403, "csrf_failed")


def test_an_attacker_s_cookies_do_not_outweigh_the_header(device, bob):
    """Planting cookies of another account does not make an app that sends its own token act for that account."""
    device.headers["Authorization"] = f"Bearer {open_session(bob, user_agent='').access}"
    assert device.ask("get", "users/profile").json()["id"] == str(bob.pk)
    device.headers["Authorization"] = "Bearer stale"
    assert device.ask("get", "users/profile").status_code == 401


@pytest.mark.parametrize("kind", ["refresh as access", "access as refresh", "garbage"])
def test_one_cookie_is_not_the_other(kind, device):
    access, refresh = device.cookie("ACCESS_COOKIE"), device.cookie("REFRESH_COOKIE")
    if kind == "refresh as access":
        device.http.cookies[configured.ACCESS_COOKIE] = refresh.value
    elif kind == "garbage":
        device.http.cookies[configured.ACCESS_COOKIE] = "x.y.z"
    else:
        device.http.cookies[configured.REFRESH_COOKIE] = access.value
        assert_problem(device.refresh(), 401, "token_not_valid")
        return
    assert_problem(device.ask("get", "users/profile"), 401, "token_not_valid")


def test_the_back_office_s_cookie_opens_nothing_of_the_api(person):
    root = person("root", role="support")
    browser = Client()
    browser.force_login(root)
    client = APIClient()
    client.cookies.update(browser.cookies)
    assert client.get("/api/v1/users/profile").status_code == 401


def test_signing_in_again_ends_the_session_that_the_browser_had(device, owner):
    first = Session.objects.get()
    assert device.sign_in(owner.email, PASSWORD).status_code == 200
    assert list(Session.objects.alive()) == [Session.objects.exclude(pk=first.pk).get()]


def test_signing_out_forgets_the_cookies_even_of_a_session_that_is_over(device):
    Session.objects.end()
    assert device.sign_out().status_code == 204
    assert {device.cookie(name)["max-age"] for name in ("ACCESS_COOKIE", "REFRESH_COOKIE")} == {0}


def test_what_gives_a_csrf_token_is_kept_by_no_cache(db):
    assert "no-store" in Device("cookie").ask("get", "auth/csrf")["Cache-Control"]
