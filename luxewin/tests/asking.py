"""How the tests of the API's surface ask, and what they hold every refusal to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.apps import apps
from django.db import connection
from psycopg import sql
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import open_session

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
# Sign-ins come and go with the client of a test; schema and history are Django's own.
OURS = ("accounts", "audit", "raffles", "purchases", "verification", "djstripe", "django_q", "otp_totp")

# For servers of this machine. httpx's own functions read every certificate anew, which takes 20 ms each time.
HTTP = httpx.Client(verify=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def database_url(port: int | None = None) -> str:
    """The tests' own database, for processes that a test starts; at another port, where something stands between."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    if port:
        url = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{port}")
    return urlunsplit(url)


def client_of(user: User | None = None) -> APIClient:
    """A client in which an exception is the 500 that a browser would see."""
    client = APIClient(raise_request_exception=False)
    if user:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user, user_agent='test').access}")
    return client


def assert_problem(
    response: Any, status: int, code: str | None = None, fields: set[str] | None = None
) -> dict[str, Any]:
    """The answer is a problem document of this status, code and set of faulty fields; returns it."""
    assert response.status_code == status, (response.status_code, response.content[:500])
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) >= MEMBERS
    assert problem["status"] == status
    assert problem["type"] == f"urn:luxewin:problem:{problem['code']}"
    assert all(isinstance(problem[name], str) and problem[name] for name in MEMBERS - {"status"})
    assert problem["request_id"] == response["X-Request-ID"]
    assert code in {None, problem["code"]}, problem
    for fault in problem.get("errors", []):
        assert set(fault) == {"field", "code", "detail"}
    if problem["code"] == "invalid":
        assert problem["errors"], problem
    if fields is not None:
        assert {fault["field"] for fault in problem["errors"]} == fields, problem
    return problem


def rows() -> dict[str, int]:
    """How many rows each table of ours has, in one query."""
    tables = [model._meta.db_table for label in OURS for model in apps.get_app_config(label).get_models()]
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM {}").format(table, sql.Identifier(table)) for table in sorted(set(tables))
    )
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return dict(cursor.fetchall())


@contextmanager
def nothing_written() -> Iterator[None]:
    """Fails if a row was added or taken away meanwhile."""
    before = rows()
    yield
    assert rows() == before
