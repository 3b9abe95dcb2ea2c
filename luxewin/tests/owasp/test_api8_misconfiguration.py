"""API8, security misconfiguration: what an installation shows of itself, and what it sends along with every answer.

Elsewhere: every unsafe setting has a numbered check that keeps production from starting, and an empty installation has
nobody who could sign in (luxewin/tests/test_settings.py), plain HTTP is refused (test_transport.py), no exception's
text leaves the house (test_problems.py), a forged host leads no link elsewhere (accounts/tests/test_passwords.py).
"""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import operations
from raffles.views import RaffleViewSet

# What a scanner looks for.
FILES = [
    ".env",
    ".git/config",
    ".git/HEAD",
    "settings.py",
    "luxewin/settings.py",
    "manage.py",
    "pyproject.toml",
    "requirements.txt",
    "db.sqlite3",
    "backup.sql",
    "dump.rdb",
    ".luxewin/stripe/secret_key",
    "Makefile",
    "docs/",
    "static/",
    "static/admin/",
    "static/../luxewin/settings.py",
    "static/%2e%2e/luxewin/settings.py",
    "media/",
    "static/..%2fluxewin/settings.py",
    "static//etc/passwd",
    "verify/verifier.py/../../luxewin/settings.py",
    "server-status",
    "phpinfo.php",
    "actuator/env",
    "metrics",
    "debug",
    "__debug__/",
    "silk/",
    "graphql",
    "console",
    "swagger.json",
    "openapi.json",
    "api/schema",
    "api/v1/swagger.json",
    "api-docs",
    ".well-known/security.txt.bak",
    *(
        "admin/doc/",
        "stripe/",
        "djstripe/",
        "api/v1/webhooks/stripe/",
        "rest-auth/",
        "api-auth/login/",
        "accounts/login/",
    ),
]


@pytest.mark.parametrize("name", FILES)
def test_what_scanners_look_for_is_not_there(name, db):
    answer = Client(raise_request_exception=False).get(f"/{name}")
    # The back office sends to its login whoever has not come in, whether the page exists or not.
    assert answer.status_code in {302, 400, 404, 405}
    assert answer.status_code != 302 or name.startswith("admin")
    assert b"SECRET_KEY" not in answer.content


INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|psycopg|SELECT |accounts_|raffles_|Django|127\.0\.0\.1:\d+"
)


def _breaking(client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def broken(*arguments: Any, **named: Any) -> None:
        raise RuntimeError("postgres://luxewin:hunter2@db.internal/luxewin")

    monkeypatch.setattr(RaffleViewSet, "paginate_queryset", broken)
    return client.get("/api/v1/raffles/list")


def test_a_fault_of_ours_tells_nothing_of_the_inside(monkeypatch, db):
    answer = _breaking(client_of(), monkeypatch)
    assert_problem(answer, 500, "server_error")
    text = answer.content.decode() + str(answer.headers)
    assert "hunter2" not in text
    assert not INSIDE.search(text.replace('"instance"', ""))


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/nowhere", "/admin/nowhere/", "/verify/nowhere", "/%ff", "/api/v1/raffles/%00"]
)
def test_no_refusal_tells_of_the_inside(path, db):
    """No list of routes, no names of tables, no versions."""
    answer = Client(raise_request_exception=False).get(path)
    assert answer.status_code in {302, 400, 404}
    assert not INSIDE.search(answer.content.decode())
    assert {"server", "x-powered-by"} & {name.lower() for name in answer.headers} == set()


def _every_kind(world: World) -> dict[str, Any]:
    """An answer of each sort."""
    client, buyer = Client(raise_request_exception=False), client_of(world.buyer)
    return {
        "list": client.get("/api/v1/raffles/list"),
        "own": buyer.get("/api/v1/users/profile"),
        "401": client.get("/api/v1/users/profile"),
        "404": client.get("/api/v1/nowhere"),
        "405": client.delete("/api/v1/raffles/list"),
        "page": client.get("/"),
        "verify": client.get(f"/verify/{world.open.pk}"),
        "form": client.get("/reset-password"),
        "admin": client.get("/admin/login/"),
        "docs": client.get("/api/v1/docs"),
        "schema": client.get("/api/v1/schema"),
        "keys": client.get("/.well-known/jwks.json"),
        "health": client.get("/health/live"),
        "webhook": client.post("/api/v1/webhooks/stripe/00000000-0000-0000-0000-000000000000"),
    }


def test_every_answer_carries_the_headers_that_browsers_heed(world: World):
    for kind, answer in _every_kind(world).items():
        assert answer["X-Content-Type-Options"] == "nosniff", kind
        assert answer["X-Frame-Options"] == "DENY", kind
        assert answer["Referrer-Policy"], kind
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", kind
        policy = answer["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, kind
        assert "object-src 'none'" in policy or "default-src 'none'" in policy, kind
        scripts = policy.partition("script-src")[2].partition(";")[0] or policy.partition("default-src")[2]
        assert "unsafe" not in scripts.partition(";")[0], kind


def test_nothing_that_is_somebody_s_is_kept_by_a_cache(world: World):
    assert world.pending
    client = client_of(world.buyer)
    for operation in operations():
        if operation.is_closed and not operation.writes and "{" not in operation.path:
            answer = client.get(operation.path)
            assert answer["Cache-Control"] == "no-store", operation.name


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "https://127.0.0.1.evil.example"]
)
def test_no_foreign_origin_is_let_in(origin, alice):
    """Neither named nor by a star, and never with credentials."""
    for client in (client_of(), client_of(alice)):
        for verb in ("get", "options"):
            answer = client.generic(
                verb.upper(),
                "/api/v1/users/profile",
                headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"},
            )
            assert answer.headers.get("Access-Control-Allow-Origin") is None
            assert answer.headers.get("Access-Control-Allow-Credentials") is None


def test_debugging_is_off_unless_somebody_says_so():
    assert configured.DEBUG is False
    source = (Path(configured.BASE_DIR) / "luxewin" / "settings.py").read_text()
    assert 'env.flag("DEBUG", False)' in source
    assert "django_extensions" not in source
    assert "debug_toolbar" not in source


def test_no_cookie_is_open_to_scripts_or_other_sites(world: World, devices):
    for device in devices("buyer"):
        for name, cookie in device.http.cookies.items():
            assert cookie["samesite"] in {"Lax", "Strict"}, name
            # A page must be able to send the CSRF token; it asks auth/csrf for it. The other holds nothing but 1.
            assert cookie["httponly"] or name in {configured.CSRF_COOKIE_NAME, configured.SIGNED_IN_COOKIE}, name


def test_the_document_names_no_place_of_ours(db):
    text = Client().get("/api/v1/schema").content.decode()
    assert not re.search(r"localhost|127\.0\.0\.1|internal|\.luxewin\b", text)
