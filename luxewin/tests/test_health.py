"""`/health/live` asks nobody; `/health/ready` names each part and is 503 only without the database."""

import socket
from time import monotonic

import pytest
from django.db import connections
from django.test import Client

from luxewin import settings as roof
from luxewin.health import probes
from luxewin.tasks.models import Heartbeat

PARTS = {"database", "cache", "mail", "stripe", "worker", "beacon"}


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch) -> None:
    """Answers of one test are not another's."""
    monkeypatch.setattr(probes, "_last", (float("-inf"), []))


@pytest.fixture
def worker_lives(transactional_db) -> None:
    """A worker that went round just now; committed, because the probes look through connections of their own."""
    Heartbeat.beat("test")


def _ready() -> tuple[int, dict]:
    response = Client(raise_request_exception=False).get("/health/ready")
    assert response["Cache-Control"].startswith("max-age=0")
    return response.status_code, response.json()


def test_live_asks_nobody(settings, closed_port):
    # Without the mark of a database test, any query would fail this one.
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_names_every_part(worker_lives, settings):
    # Django's test runner would keep the mails to itself.
    settings.MAILERS = roof.MAILERS
    status, body = _ready()
    assert status == 200
    assert set(body["parts"]) >= PARTS, body
    assert body["status"] == "ok", body
    assert {part["state"] for part in body["parts"].values()} == {"ok"}


def _without_redis(settings, port):
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{port}/0"}
    }


def _without_mail(settings, port):
    mailer = roof.MAILERS["default"]
    settings.MAILERS = {"default": mailer | {"OPTIONS": mailer["OPTIONS"] | {"port": port}}}


def _without_stripe(settings, port):
    import stripe

    stripe.api_base = f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("part", "take_away"), [("cache", _without_redis), ("mail", _without_mail), ("stripe", _without_stripe)]
)
def test_without_an_outside_part_the_site_is_degraded_and_still_ready(
    part, take_away, worker_lives, settings, closed_port, monkeypatch, caplog
):
    import stripe

    monkeypatch.setattr(stripe, "api_base", stripe.api_base)
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    take_away(settings, closed_port)
    status, body = _ready()
    assert (status, body["status"]) == (200, "degraded"), body
    down = {name for name, facts in body["parts"].items() if facts["state"] != "ok"}
    assert down == {part}
    assert body["parts"][part]["detail"]
    assert any(message.startswith(f"{part} is down: ") for message in caplog.messages)


def test_without_a_worker_the_site_is_degraded(transactional_db):
    status, body = _ready()
    assert (status, body["status"]) == (200, "degraded")
    assert "manage.py worker" in body["parts"]["worker"]["detail"]


def test_without_the_database_the_process_is_not_ready(closed_port, django_db_blocker, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", str(closed_port))
    with django_db_blocker.unblock():
        connections["default"].close()
        status, body = _ready()
    assert (status, body["status"]) == (503, "down")
    assert body["parts"]["database"]["state"] == "down"
    assert body["parts"]["database"]["required"] is True
    assert body["parts"]["cache"]["state"] == "ok"


def test_a_part_that_hangs_is_down_in_time(worker_lives, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = silent.getsockname()

        def wait_for_a_word() -> None:
            with socket.create_connection(address) as connection:
                connection.recv(1)

        monkeypatch.setattr(probes, "PATIENCE_SECONDS", 0.5)
        monkeypatch.setitem(probes._probes, "silent", probes.Probe("silent", wait_for_a_word, required=False))
        started = monotonic()
        status, body = _ready()
    # Not as long as it hangs, which is for ever.
    assert monotonic() - started < 30
    assert (status, body["parts"]["silent"]["state"]) == (200, "down")


def test_a_flood_of_requests_asks_each_part_once(worker_lives, monkeypatch):
    asked = []
    monkeypatch.setitem(probes._probes, "counted", probes.Probe("counted", lambda: asked.append(1), required=False))
    for _ in range(5):
        _ready()
    assert len(asked) == 1


@pytest.mark.parametrize("path", ["live", "ready"])
def test_health_is_only_read(path):
    assert Client().post(f"/health/{path}").status_code == 405
