"""CORS: pages of the front end and of named origins read answers, cookies included; those of nobody else read any."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from accounts.tests.browsing import Device
from luxewin.tests.asking import assert_problem, client_of

OURS, APP = "https://luxewin.example", "https://app.luxewin.example:8443"
LIST, PROFILE, CREATE = "/api/v1/raffles/list", "/api/v1/users/profile", "/api/v1/purchases/create"
ALLOWED = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
FOREIGN = [
    "https://evil.example",
    "null",
    "https://luxewin.example.evil.example",
    "https://evil-luxewin.example",
    "https://evilluxewin.example",
    "https://sub.luxewin.example",
    "https://app.luxewin.example",
    "https://luxewin.example:444",
    "https://luxewin.example:8443",
    "http://luxewin.example",
    "https://luxewin.exampl",
    "https://luxewin.example@evil.example",
    "https://luxewin.example%00.evil.example",
    "https://luxewin.example, https://evil.example",
    "https://lux\u0435win.example",
    "https://[luxewin.example",
    "*",
    "https://*",
    "",
]


@pytest.fixture(autouse=True)
def origins(settings: Any) -> None:
    """Those that are ours here."""
    settings.CORS_ALLOWED_ORIGINS = [OURS, APP]


def _preflight(path: str, origin: str, method: str = "POST", headers: str = "authorization, idempotency-key") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return Client().options(path, headers=asked)


@pytest.mark.parametrize("origin", [OURS, APP])
def test_a_page_of_ours_reads_answers_and_may_send_cookies(origin, alice):
    answer = client_of(alice).get(PROFILE, headers={"Origin": origin})
    assert [answer[name] for name in ALLOWED] == [origin, "true"]
    assert "origin" in answer["Vary"].lower()
    exposed = set(answer["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"Retry-After", "X-Request-ID", "ETag"}


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_reads_nothing(origin, alice):
    for answer in (
        client_of(alice).get(PROFILE, headers={"Origin": origin}),
        client_of().get(LIST, headers={"Origin": origin}),
        _preflight(CREATE, origin),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")], answer.headers
        assert "origin" in answer["Vary"].lower()


def test_a_preflight_says_what_may_be_sent_and_is_kept(db):
    answer = _preflight(CREATE, OURS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert [answer[name] for name in ALLOWED] == [OURS, "true"]
    assert answer["Access-Control-Allow-Methods"] == "GET, POST, PATCH, DELETE, OPTIONS"
    sent = {"authorization", "content-type", "idempotency-key", "x-csrftoken", "x-request-id"}
    assert set(answer["Access-Control-Allow-Headers"].split(", ")) >= sent
    assert int(answer["Access-Control-Max-Age"]) == 7200
    assert answer["X-Request-ID"]


def test_nothing_is_allowed_to_everybody(db):
    for answer in (_preflight(CREATE, OURS), client_of().get(LIST, headers={"Origin": OURS})):
        values = [value for name, value in answer.headers.items() if name.lower().startswith("access-control-")]
        assert "*" not in "".join(values)


def test_refusals_can_be_read_too(db):
    for path, status in ((PROFILE, 401), ("/api/v1/nowhere", 404), ("/api/v1/raffles/list?phase=never", 400)):
        answer = client_of().get(path, headers={"Origin": OURS})
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (status, OURS)


CLOSED = [
    "/",
    "/admin/",
    "/admin/login/",
    "/verify-email",
    "/reset-password",
    "/confirm-email",
    "/health/ready",
    "/api/v1/webhooks/stripe/0190b3a0-0000-7000-8000-000000000000",
    "/api/v1/webhooks/stripe/0190b3a0-0000-7000-8000-000000000000/",
    "/api/v2/raffles/list",
    "/.well-known/jwks.json/",
]


@pytest.mark.parametrize("path", CLOSED)
def test_back_office_webhooks_and_the_pages_of_mails_are_closed_even_to_ours(path, db):
    for answer in (Client().get(path, headers={"Origin": OURS}), _preflight(path, OURS)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_the_published_keys_are_open_to_ours(db):
    assert Client().get("/.well-known/jwks.json", headers={"Origin": OURS})["Access-Control-Allow-Origin"] == OURS


def test_cors_is_no_csrf_a_foreign_page_that_sends_anyway_writes_nothing(alice):
    alice.set_password("correct horse battery staple")
    alice.save()
    device = Device("cookie")
    device.sign_in(alice.email, "correct horse battery staple")
    answer = device.ask("patch", "users/profile", {"display_name": "Mallory"}, Origin="https://evil.example")
    # The token of the page is there, and yet the origin is not one of those that may.
    assert_problem(answer, 403, "csrf_failed")
    assert "Access-Control-Allow-Origin" not in answer


def _origins(**variables: str) -> str:
    """What a process with these variables reads as its origins."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    code = "from luxewin import settings; print(settings.CORS_ALLOWED_ORIGINS)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(
        command, env=bare | variables, cwd=configured.BASE_DIR, capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout.strip()


def test_the_front_end_is_ours_by_itself_and_by_default_nobody_is():
    assert _origins() == "[]"
    assert _origins(FRONTEND_URL=f"{OURS}/", CORS_ALLOWED_ORIGINS=APP) == str([APP, OURS])
