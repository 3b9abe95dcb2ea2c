"""Headers of every answer: what a browser may do with it, who may keep it, and which request it answers."""

import logging
import re
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from accounts.models import User
from accounts.tests.browsing import Device
from luxewin.api.headers import NO_PAGE
from luxewin.api.public_reads import FRESH
from luxewin.tests.asking import assert_problem, client_of

PASSWORD = "correct horse battery staple"


def broken(request: HttpRequest) -> HttpResponse:
    """A bug."""
    raise ZeroDivisionError


def said(request: HttpRequest) -> HttpResponse:
    """Says all by itself."""
    answer = HttpResponse("x", headers={"Cache-Control": "public, max-age=5", "Permissions-Policy": "camera=(self)"})
    answer["Content-Security-Policy"] = "default-src 'self'"
    return answer


urlpatterns = [path("api/v1/users/broken", broken), path("api/v1/users/said", said), path("", include("luxewin.urls"))]
handler404, handler500 = "luxewin.api.problems.not_found", "luxewin.api.problems.server_error"

PAGES = ["/", "/verify", "/verify-email", "/reset-password", "/confirm-email", "/admin/login/"]
DRAWN = ["/api/v1/docs", "/api/v1/redoc"]
DATA = ["/api/v1/raffles/list", "/api/v1/users/profile", "/api/v1/schema", "/api/v1/nowhere", "/api/v1/users/broken"]
OTHERS = ["/nowhere", "/health/live", "/health/ready", "/.well-known/jwks.json", "/static/verification/page.js"]


def _get(url: str) -> Any:
    answer = Client(raise_request_exception=False).get(url)
    answer.close()
    return answer


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("url", [*PAGES, *DRAWN, *DATA, *OTHERS])
def test_every_answer_says_what_a_browser_may_do_with_it(url, db):
    answer = _get(url)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    if answer["Content-Type"].startswith("text/html"):
        features = dict(part.split("=") for part in answer["Permissions-Policy"].split(", "))
        assert set(features.values()) == {"()"}
        assert features.keys() >= {"camera", "microphone", "geolocation", "payment", "usb", "publickey-credentials-get"}
    else:
        # Only documents have features, and it is long.
        assert "Permissions-Policy" not in answer
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])
    assert "Server" not in answer
    assert "X-Powered-By" not in answer


def _policy(url: str) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in _get(url)["Content-Security-Policy"].split(";")]
    return {name: sources for name, _, sources in parts}


@pytest.mark.parametrize("url", PAGES)
def test_a_page_runs_and_loads_what_is_ours_and_nothing_inline(url, db):
    assert _policy(url) == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "font-src", "connect-src", "form-action"), "'self'"),
        "img-src": "'self' data: https:",
        **dict.fromkeys(("base-uri", "frame-ancestors"), "'none'"),
    }


@pytest.mark.parametrize("url", PAGES)
def test_no_page_has_anything_inline(url, db):
    page = Client().get(url).content.decode()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("url", DRAWN)
def test_the_documentation_alone_styles_inline_and_runs_what_is_ours(url, db):
    policy = _policy(url)
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    assert policy["worker-src"] == "'self' blob:"
    assert (policy["script-src"], policy["connect-src"], policy["default-src"]) == ("'self'", "'self'", "'none'")


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("url", DATA)
def test_what_is_no_page_loads_nothing(url, db):
    assert _get(url)["Content-Security-Policy"] == NO_PAGE


def test_in_production_pages_ask_for_everything_by_https(settings, db):
    settings.SECURE_CSP = settings.SECURE_CSP | {"upgrade-insecure-requests": ""}
    assert "upgrade-insecure-requests" in _policy("/")


@pytest.mark.urls(__name__)
def test_what_a_view_says_itself_stands(db):
    answer = _get("/api/v1/users/said")
    assert answer["Cache-Control"] == "public, max-age=5"
    assert answer["Permissions-Policy"] == "camera=(self)"
    assert answer["Content-Security-Policy"] == "default-src 'self'"


PERSONAL = [
    ("get", "users/profile"),
    ("patch", "users/profile"),
    ("get", "users/preferences"),
    ("get", "auth/sessions"),
    ("get", "purchases"),
    ("get", "purchases/list"),
    ("get", "purchases/00000000-0000-0000-0000-000000000000"),
    ("post", "auth/login"),
    ("post", "auth/register"),
    ("get", "raffles/list"),
    ("get", "nowhere"),
]


@pytest.mark.parametrize(("verb", "url"), PERSONAL)
def test_what_somebody_who_is_signed_in_gets_is_kept_by_no_cache(verb, url, alice):
    answer = getattr(client_of(alice), verb)(f"/api/v1/{url}", {})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(("verb", "url"), PERSONAL[:-2])
def test_nor_what_those_get_who_are_not(verb, url, db):
    assert "no-store" in getattr(client_of(), verb)(f"/api/v1/{url}", {})["Cache-Control"]


def test_nor_what_a_cookie_opens(alice):
    alice.set_password(PASSWORD)
    alice.save()
    device = Device("cookie")
    device.sign_in(alice.email, PASSWORD)
    assert device.ask("get", "raffles/list")["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", ["/api/v1/raffles/list", "/api/v1/verification/list", "/verify"])
def test_a_public_read_may_be_kept_for_a_second_unless_somebody_is_known(url, alice):
    assert client_of().get(url)["Cache-Control"] == FRESH
    assert client_of(alice).get(url)["Cache-Control"] == "no-store"
    for cookie in ("sessionid=x", f"{settings.REFRESH_COOKIE}=x"):
        assert client_of().get(url, headers={"Cookie": cookie})["Cache-Control"] == "no-store"


def test_no_page_of_the_back_office_is_kept(person):
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    client = Client()
    client.force_login(root)
    for url in ("/admin/", "/admin/accounts/user/", "/admin/login/"):
        assert "no-store" in client.get(url)["Cache-Control"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("url", ["/api/v1/users/broken", "/api/v1/nowhere", "/api/v1/users/profile"])
def test_answer_document_and_log_name_the_same_request(url, caplog, db):
    with caplog.at_level(logging.INFO):
        answer = client_of().get(url, headers={"X-Request-ID": "from-the-front-end.1"})
    problem = assert_problem(answer, answer.status_code)
    assert problem["request_id"] == answer["X-Request-ID"] == "from-the-front-end.1"
    if answer.status_code == 500:
        (line,) = [
            record for record in caplog.records if "ZeroDivisionError" in str(record.exc_text or record.exc_info)
        ]
        assert _formatted(line).split(" ")[4] == "[from-the-front-end.1]"


def _formatted(record: logging.LogRecord) -> str:
    """As the console's handler wrote it."""
    handler = next(each for each in logging.getLogger().handlers if each.filters)
    return handler.format(record)


FORGED = [
    "12345678\nERROR forged",
    "12345678\r\nX: y",
    "a" * 65,
    "short",
    "12345678\x00",
    "12345678;",
    "{request_id}",
    "%s%s%s%s",
]


@pytest.mark.parametrize("offered", FORGED)
def test_an_id_that_could_forge_a_line_is_replaced(offered, db):
    answer = client_of().get("/api/v1/users/profile", headers={"X-Request-ID": offered})
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])
    assert assert_problem(answer, 401)["request_id"] == answer["X-Request-ID"]


def test_no_header_chooses_another_method_or_path(alice: User):
    client = client_of(alice)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        client.post("/api/v1/users/profile", {"display_name": "Mallory"}, headers={name: "PATCH"})
    client.post("/api/v1/users/profile?_method=PATCH", {"display_name": "Mallory", "_method": "PATCH"})
    for name in ("X-Original-URL", "X-Rewrite-URL"):
        assert client.get("/api/v1/raffles/list", headers={name: "/api/v1/users/profile"}).json().keys() >= {"results"}
    alice.refresh_from_db()
    assert alice.display_name == "Alice"
