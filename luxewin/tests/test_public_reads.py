"""Public reads of the product, as its server gives them: parameters, drafts, outages."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.core.cache import caches
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from luxewin.server.public_answers import PublicAnswers
from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.wires import Wire, front_of, scope_of
from raffles import services

READS = [
    *("shop", "raffles/categories", "winners", "winners/list"),
    *("raffles", "raffles/list", "raffles/{id}", "verification", "verification/list", "verification/{id}"),
    *(f"verification/{{id}}/{what}" for what in ("bundle", "entries.csv", "log", "log/heads", "log/proof")),
]


@pytest.mark.parametrize("read", READS)
def test_unknown_parameters_are_refused_and_all_named(read, on_sale):
    address = f"/api/v1/{read.format(id=on_sale().pk)}"
    refusal = client_of().get(f"{address}?zero=0&one=1&one=2&page_size=20")
    named = {fault["field"] for fault in assert_problem(refusal, 400, "invalid")["errors"]}
    assert named >= {"zero", "one"}
    assert all(fault["code"] == "unknown" for fault in refusal.json()["errors"])


def test_a_page_takes_no_notice_of_unknown_parameters(on_sale):
    for page in ("/verify", f"/verify/{on_sale().pk}"):
        assert client_of().get(f"{page}?utm_source=mail&fbclid=1").status_code == 200


@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "phase=gone", "price_min=x", "order=id", "page_size=0"])
def test_garbage_is_refused(query, db):
    assert_problem(client_of().get(f"/api/v1/raffles/list?{query}"), 400, "invalid", {query.partition("=")[0]})


# --- behind the server ----------------------------------------------------------------------------------------------


@pytest.fixture
def answers(transactional_db: None) -> Iterator[PublicAnswers]:
    """Django behind its ready answers."""
    django = get_wsgi_application()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            response = django(environ, start_response)
            chunks = list(response)
            response.close()
            return chunks
        finally:
            connections.close_all()  # of this thread

    made = PublicAnswers(front_of(application, threads=4), most_bytes=10**7)
    yield made
    made.front.pool.shutdown()


def _ask(answers: PublicAnswers, path: str, *, host: str = "testserver", **headers: str) -> Wire:
    wire, (raw_path, _, query) = Wire(), path.encode().partition(b"?")
    named = {"host": host} | headers
    encoded = [(name.encode(), value.encode()) for name, value in named.items()]
    asyncio.run(answers(scope_of(wire, "GET", raw_path, query, encoded), wire.receive, wire.send))
    return wire


def _expire(answers: PublicAnswers) -> None:
    """Let the second of every answer be over."""
    caches["default"].clear()
    for held in answers._held.values():
        held.made_at, held.good_until = held.made_at - 1, held.made_at


def test_an_answer_is_what_django_says(answers, on_sale):
    raffle = on_sale()
    for path in (f"/api/v1/raffles/{raffle.pk}", "/api/v1/raffles/list", "/verify", f"/verify/{raffle.slug}"):
        expected = client_of().get(path)
        for _ in range(2):
            wire = _ask(answers, path)
            assert (wire.status, wire.body) == (200, expected.content)
            assert {b"x-content-type-options", b"x-frame-options", b"content-security-policy"} <= wire.headers.keys()
    assert len(answers._held) == 4


def test_links_to_further_pages_lead_to_the_host_that_was_asked(answers, on_sale):
    for number in range(2):
        on_sale(title=str(number))
    for host in ("testserver", "testserver:8443"):
        page = json.loads(_ask(answers, "/api/v1/raffles/list?page_size=1", host=host).body)
        assert page["next"].startswith(f"http://{host}/api/v1/raffles/list?")
        assert len(json.loads(_ask(answers, page["next"].partition(host)[2], host=host).body)["results"]) == 1


def test_a_host_that_is_not_ours_is_refused_and_leaves_nothing(answers, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    for _ in range(2):
        assert _ask(answers, "/api/v1/raffles/list", host="evil.example").status == 400
    assert answers._held == {}


def test_a_draft_that_a_manager_sees_is_seen_by_nobody_else(answers, draft, mona, api):
    raffle = draft()
    address = f"/api/v1/raffles/{raffle.pk}"
    token = api(mona)._credentials["HTTP_AUTHORIZATION"]
    assert _ask(answers, address).status == 404
    seen = _ask(answers, address, authorization=token)
    assert (seen.status, seen.headers[b"cache-control"]) == (200, b"no-store")
    kept = _ask(answers, address, cookie=f"{configured.ACCESS_COOKIE}={token.removeprefix('Bearer ')}")
    assert (kept.status, kept.headers[b"cache-control"]) == (200, b"no-store")
    assert (_ask(answers, address).status, answers._held) == (404, {})
    services.publish_raffle(raffle.pk)
    assert _ask(answers, address).status == 200


def test_a_sale_is_seen_a_second_later(answers, on_sale):
    raffle = on_sale()
    address = f"/api/v1/raffles/{raffle.pk}"
    assert json.loads(_ask(answers, address).body)["phase"] == "open"
    services.cancel_raffle(raffle.pk, reason="A flood.")
    _expire(answers)
    assert json.loads(_ask(answers, address).body)["phase"] == "cancelled"


def test_while_the_database_is_away_held_answers_stand_in(answers, on_sale, monkeypatch):
    path = f"/api/v1/raffles/{on_sale().pk}"
    held = _ask(answers, path).body
    _expire(answers)

    def refuse(*_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)
    wire = _ask(answers, path)
    assert (wire.status, wire.body, wire.headers[b"age"]) == (200, held, b"1")
    assert _ask(answers, f"/api/v1/raffles/{uuid4()}").status == 503
    monkeypatch.undo()
    for each in answers._held.values():
        each.retry_at = 0
    assert b"age" not in _ask(answers, path).headers


def test_a_redis_that_hangs_costs_a_moment_once(answers, on_sale, settings):
    raffle = on_sale()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        location = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"LOCATION": location}}
        waited = []
        for path in ("/api/v1/raffles/list", f"/api/v1/raffles/{raffle.pk}"):
            began = time.monotonic()
            assert _ask(answers, path).status == 200
            waited.append(answers.shared._away_until)
            assert time.monotonic() - began < 30
    assert waited[0] == waited[1] > 0  # the second did not ask it
