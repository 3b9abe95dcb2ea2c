"""`/health/live` asks nobody; `/health/ready` names each part and is 503 only without the database."""

import socket
from collections.abc import Callable
from threading import Event
from time import monotonic, sleep

import pytest
from django.db import connections
from django.test import Client

from luxewin import settings as project_settings
from luxewin.health import probes
from luxewin.tasks.models import Heartbeat

PARTS = {"database", "cache", "mail", "stripe", "worker", "beacon"}
# Far longer than any wait here lasts.
SECONDS = 60


@pytest.fixture
def worker_lives(transactional_db) -> None:
    """A worker that went round just now; committed, because the probes look through connections of their own."""
    Heartbeat.beat("test")


@pytest.fixture
def add_probe(monkeypatch) -> Callable[..., probes.Probe]:
    """Adds a probe for the time of the test."""

    def add(name: str, call: Callable[[], None], **facts) -> probes.Probe:
        probe = probes.Probe(name, call, **{"required": False, "every": 0.01} | facts)
        monkeypatch.setitem(probes.EXAMINER.probes, name, probe)
        return probe

    return add


def _ask() -> tuple[int, dict]:
    response = Client(raise_request_exception=False).get("/health/ready")
    assert response["Cache-Control"].startswith("max-age=0")
    return response.status_code, response.json()


def _ready(until: Callable[[dict], bool] = lambda parts: True) -> tuple[int, dict]:
    """What is answered once each part has been examined and `until` is true of them."""
    end = monotonic() + SECONDS
    while True:
        status, body = _ask()
        states = {name: part["state"] for name, part in body["parts"].items()}
        if "unknown" not in states.values() and until(states):
            return status, body
        assert monotonic() < end, body
        sleep(0.05)


def _detail(name: str) -> str:
    return probes.EXAMINER.probes[name].health().detail


def test_live_asks_nobody(settings, closed_port):
    # Without the mark of a database test, any query would fail this one.
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_names_every_part(worker_lives, settings):
    # Django's test runner would keep the mails to itself.
    settings.MAILERS = project_settings.MAILERS
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
    mailer = project_settings.MAILERS["default"]
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
    assert _detail(part)
    assert any(message.startswith(f"{part} is down: ") for message in caplog.messages)


def test_without_a_worker_the_site_is_degraded(transactional_db):
    status, body = _ready()
    assert (status, body["status"]) == (200, "degraded")
    assert "manage.py worker" in _detail("worker")


def test_without_the_database_the_process_is_not_ready(closed_port, django_db_blocker, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", str(closed_port))
    with django_db_blocker.unblock():
        connections["default"].close()
        status, body = _ready()
    assert (status, body["status"]) == (503, "down")
    assert body["parts"]["database"]["state"] == "down"
    assert body["parts"]["cache"]["state"] == "ok"


def test_a_database_that_only_reads_is_not_ready(worker_lives, settings, read_only_database):
    settings.MAILERS = project_settings.MAILERS
    read_only_database.begin()
    status, body = _ready()
    assert (status, body["status"]) == (503, "down")
    assert "read-only" in _detail("database")
    read_only_database.end()
    assert _ready(lambda states: states["database"] == "ok")[0] == 200


def test_nobody_is_told_why_a_part_is_down_or_where_it_is(worker_lives, settings, closed_port, client, person):
    _without_mail(settings, closed_port)
    _, body = _ready()
    assert {key for part in body["parts"].values() for key in part} == {"state", "age"}
    reason = _detail("mail")
    assert reason
    assert client.get("/admin/health/").status_code == 302
    settings.STAFF_SECOND_FACTOR = False
    client.force_login(person("audrey", role="auditors"))
    shown = client.get("/admin/health/").content.decode()
    assert "mail" in shown
    assert reason.partition("]")[2].strip() in shown


def test_no_request_waits_for_a_part_that_hangs(worker_lives, monkeypatch, add_probe):
    calls = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = silent.getsockname()

        def wait_for_a_word() -> None:
            calls.append(1)
            with socket.create_connection(address) as connection:
                connection.recv(1)

        monkeypatch.setattr(probes, "PATIENCE_SECONDS", 0.5)
        add_probe("silent", wait_for_a_word)
        status, body = _ready(lambda states: states["silent"] == "down")
        assert (status, body["status"]) == (200, "degraded")
        # Probed for longer than it hangs: it grows older, it is not called again, and nobody waits for it.
        for _ in range(100):
            assert _ask()[0] == 200
        assert _ask()[1]["parts"]["silent"]["age"] >= body["parts"]["silent"]["age"]
        assert len(calls) == 1


def test_others_are_examined_while_one_hangs(worker_lives, add_probe):
    over, looked = Event(), []
    add_probe("stuck", lambda: over.wait(SECONDS) and None)
    add_probe("counted", lambda: looked.append(1))
    try:
        _ask()
        end = monotonic() + SECONDS
        while len(looked) < 3 and monotonic() < end:
            sleep(0.01)
        assert len(looked) >= 3
    finally:
        over.set()


def test_the_age_counts_from_the_end_of_an_examination(add_probe):
    probe = add_probe("slow", lambda: sleep(0.2))
    probe.examine()
    assert probe.health().age < 0.2


def test_until_the_first_examination_the_process_is_not_ready(transactional_db, add_probe):
    over = Event()
    add_probe("needed", lambda: over.wait(SECONDS) and None, required=True)
    try:
        status, body = _ask()
        assert (status, body["status"]) == (503, "starting")
        assert body["parts"]["needed"] == {"state": "unknown", "age": None}
    finally:
        over.set()
    assert _ready()[0] == 200


def test_a_flood_of_requests_asks_no_part(transactional_db, add_probe):
    asked = []
    add_probe("counted", lambda: asked.append(1), every=SECONDS)
    _ready()
    for _ in range(50):
        _ask()
    assert len(asked) == 1


@pytest.mark.parametrize("path", ["live", "ready"])
def test_health_is_only_read(path):
    assert Client().post(f"/health/{path}").status_code == 405
