"""A process whose clock is wrong works no more, says so, and leaves nothing behind that waits for its time."""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django_q.models import OrmQ
from rest_framework_simplejwt.exceptions import TokenError

from accounts.signatures import AccessToken
from dev.services.processes import free_port
from luxewin import clock
from luxewin.models import WrongClock
from luxewin.tests import shifting
from luxewin.tests.asking import HTTP, assert_problem
from purchases.tests.stage import over
from raffles.models import Raffle

HOUR = 3600
# As a message says it: a tenth of a second passes between two readings.
AN_HOUR = r"(3599\.[5-9]|3600\.\d)"


@pytest.fixture
def measured_anew(monkeypatch):
    """Nothing was measured yet, and every measurement is good for ten seconds, as in the product."""
    monkeypatch.setattr(clock, "KEPT_SECONDS", 10.0)
    monkeypatch.setattr(clock, "_last", None)


@contextmanager
def ahead(monkeypatch, seconds):
    """This process's clock is ahead by so much."""
    real = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + seconds)
        yield


def until(true, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not (answer := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer


# --- Measuring -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_off"), [(0, False), (4, False), (-4, False), (6, True), (-6, True)])
def test_more_than_five_seconds_from_the_databases_clock_is_off(seconds, is_off, measured_anew, monkeypatch, db):
    with ahead(monkeypatch, seconds):
        assert clock.is_off() is is_off
        assert clock.offset().now() == pytest.approx(seconds, abs=0.5)


def test_a_step_of_this_processs_clock_is_seen_by_the_very_next_look(measured_anew, monkeypatch, db):
    assert not clock.is_off()
    with ahead(monkeypatch, HOUR):
        assert clock.is_off()
    assert not clock.is_off()


def test_a_measurement_is_kept_for_ten_seconds(measured_anew, db, django_assert_num_queries):
    clock.offset()
    with django_assert_num_queries(0):
        for _ in range(100):
            clock.is_off()


def test_what_took_too_long_measures_nothing(measured_anew, monkeypatch, db):
    monkeypatch.setattr(clock, "SLOWEST_SECONDS", 0.0)
    with ahead(monkeypatch, HOUR):
        assert clock.offset() is None
        assert not clock.is_off()


def test_half_the_round_trip_is_no_offset(measured_anew):
    found = clock.Offset(seconds=5.5, error=0.6, wall=time.time(), monotonic=time.monotonic())
    assert not found.is_off


def test_without_a_database_nothing_is_known_and_nobody_refused(measured_anew, monkeypatch, db):
    monkeypatch.setattr(clock, "connection", BrokenConnection())
    assert clock.offset() is None
    assert not clock.is_off()


class BrokenConnection:
    def cursor(self):
        raise clock.Error("away")


def test_of_many_threads_one_measures_and_the_others_do_not_wait(measured_anew, monkeypatch, db):
    began, may_end, measured = threading.Event(), threading.Event(), []

    def slow():
        began.set()
        may_end.wait(60)
        measured.append(1)

    monkeypatch.setattr(clock, "measure", slow)
    first = threading.Thread(target=clock.offset)
    first.start()
    assert began.wait(60)
    # Were they to wait or to measure, this would hang.
    assert [clock.offset() for _ in range(20)] == [None] * 20
    may_end.set()
    first.join()
    assert measured == [1]


# --- Web processes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/api/v1/raffles/list"), ("post", "/api/v1/auth/login"), ("get", "/admin/login/"), ("get", "/verify")],
)
def test_everything_but_health_is_refused_in_the_name_of_the_clock(method, path, measured_anew, monkeypatch, db):
    client = Client()
    with ahead(monkeypatch, HOUR):
        response = getattr(client, method)(path)
        assert_problem(response, 503, "clock_wrong")
        assert response["Retry-After"] == "15"
        assert client.get("/health/live").status_code == 200
    assert getattr(client, method)(path).status_code != 503


def test_the_database_is_told_whose_clock_is_wrong_until_it_is_right_again(measured_anew, monkeypatch, db, caplog):
    with ahead(monkeypatch, -HOUR):
        assert clock.is_off()
        with pytest.raises(RuntimeError, match=rf"this process's clock is {AN_HOUR} s behind the database's"):
            clock.probe()
        with pytest.raises(RuntimeError, match=r"the clock of .+:\d+ is 3600\.\d s behind the database's"):
            WrongClock.probe()
    assert re.search(f"this process's clock is {AN_HOUR} s", caplog.text)
    assert not clock.is_off()
    clock.probe()
    WrongClock.probe()
    assert not WrongClock.objects.exists()


def test_of_a_process_that_was_not_heard_of_for_a_minute_health_says_nothing(db):
    WrongClock.note("gone:1", 3600.0)
    WrongClock.objects.update(at=Now() - timedelta(minutes=2))
    WrongClock.probe()
    WrongClock.objects.update(at=Now() - timedelta(days=2))
    WrongClock.note("here:2", 60.0)
    assert list(WrongClock.objects.values_list("process", flat=True)) == ["here:2"]


@pytest.mark.parametrize(("apart", "is_good"), [(9, True), (-9, True), (60, False)])
def test_a_token_of_another_process_is_good_as_far_as_their_clocks_may_differ(apart, is_good, alice):
    token = AccessToken.for_user(alice)
    now = int(time.time())
    # Nine seconds ahead it was issued "to come"; as far behind it is over "already".
    token["iat"], token["exp"] = now + apart, now + (apart if apart < 0 else 600)
    if is_good:
        assert AccessToken(str(token))["iat"] == token["iat"]
    else:
        with pytest.raises(TokenError):
            AccessToken(str(token))


# --- Whole processes under another clock -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_web_process_an_hour_off_says_so_and_serves_nobody(seconds, on_sale):
    on_sale()
    port = free_port()
    with shifting.running(["manage.py", "serve", f"--port={port}", "--workers=1"], ahead=seconds):
        until(lambda: _get(port, "/health/live") is not None)
        refused = _get(port, "/api/v1/raffles/list")
        assert (refused.status_code, refused.json()["code"]) == (503, "clock_wrong")
        assert int(refused.headers["Retry-After"]) > 0
        ready = _get(port, "/health/ready")
        assert ready.status_code == 503
        until(lambda: "clock" in _get(port, "/health/ready").json()["parts"])
        part = _get(port, "/health/ready").json()["parts"]["clock"]
        assert part["state"] == "down"
        # And the health of all others, whose clocks are right, names it.
        with pytest.raises(RuntimeError, match="ahead of" if seconds > 0 else "behind"):
            WrongClock.probe()


def _get(port, path):
    try:
        return HTTP.get(f"http://127.0.0.1:{port}{path}")
    except httpx.TransportError:
        return None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_worker_an_hour_off_takes_nothing_and_when_it_is_gone_nothing_waits_for_its_time(seconds, on_sale, run_tasks):
    raffle = on_sale()
    over(raffle)
    with shifting.running(["manage.py", "worker"], ahead=seconds):
        until(WrongClock.objects.exists)
        with pytest.raises(RuntimeError, match="ahead of" if seconds > 0 else "behind"):
            WrongClock.probe()
    assert not OrmQ.objects.filter(lock__gt=Now()).exists()
    # It closed nothing; a worker by the right clock does at once.
    assert Raffle.objects.get(pk=raffle.pk).closed_at is None
    run_tasks()
    assert Raffle.objects.get(pk=raffle.pk).closed_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_command_that_writes_refuses_by_a_wrong_clock_and_one_that_asks_does_not():
    environment = shifting.environment(HOUR)
    command = [sys.executable, "manage.py"]
    options = {"cwd": settings.BASE_DIR, "env": environment, "capture_output": True, "text": True}
    refused = subprocess.run([*command, "retention"], check=False, **options)
    assert refused.returncode == 1
    assert re.search(f"retention was not run: this process's clock is {AN_HOUR} s", refused.stderr)
    asked = subprocess.run([*command, "retention", "--help"], check=False, **options)
    assert asked.returncode == 0


def test_the_databases_clock_is_now_of_its_statements(db):
    first = clock.database_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        second = cursor.fetchone()[0]
    assert first <= second <= first + timedelta(seconds=30)
