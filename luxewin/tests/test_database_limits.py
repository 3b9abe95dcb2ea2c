"""No statement, wait for a lock or idle transaction lasts for ever, and no thread waits for a database that hangs."""

import os
import signal
from time import monotonic

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import pre_migrate

from luxewin.database import LOCKED, STOPPED, BoundedConnection, outage, session_options, statement_timeout

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def _limits() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s), current_setting(%s), current_setting(%s)", LIMITS)
        return list(cursor.fetchone())


@pytest.mark.django_db
def test_every_connection_has_limits(settings):
    assert _limits() == ["15s", "10s", "1min"]


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_stopped_and_told_apart():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    assert outage(caught.value) is STOPPED


@pytest.mark.django_db(transaction=True)
def test_long_work_asks_for_more_by_name():
    with statement_timeout("export entries", minutes=10), connection.cursor() as cursor:
        assert _limits() == ["10min", "10s", "10min"]
        cursor.execute("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        assert cursor.fetchone() == ("luxewin: export entries",)
    assert _limits() == ["15s", "10s", "1min"]


@pytest.mark.django_db(transaction=True)
def test_migrations_are_not_cut():
    seen = []

    def note(**kwargs) -> None:
        seen.append(_limits())

    pre_migrate.connect(note)
    try:
        call_command("migrate", "tasks", verbosity=0)
    finally:
        pre_migrate.disconnect(note)
    assert seen
    assert all(limits == ["0", "0", "0"] for limits in seen)
    assert _limits() == ["15s", "10s", "1min"]


def test_a_limit_of_0_is_left_to_the_server():
    assert session_options(statement_timeout=15, lock_timeout=0) == "-c statement_timeout=15000"
    assert session_options(statement_timeout=0) == ""


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_nobody_lets_go_is_given_up():
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            with psycopg.connect(**_login()) as other:
                other.execute("LOCK TABLE accounts_user")
                with pytest.raises(DatabaseError) as caught:
                    cursor.execute("SELECT 1 FROM accounts_user")
        finally:
            cursor.execute("RESET lock_timeout")
    assert outage(caught.value) is LOCKED


def _login() -> dict:
    facts = connection.get_connection_params()
    return {name: facts[name] for name in ("host", "port", "user", "password", "dbname")}


@pytest.mark.django_db
@pytest.mark.parametrize("act", ["execute", "commit"])
def test_a_server_that_hangs_is_given_up(act):
    """Stopped, its own limits do not run; what is stopped here is the one process that serves this connection."""
    server = BoundedConnection.connect(**_login())
    server.execute("SELECT 1")
    pid, server.patience = server.info.backend_pid, 0.5
    os.kill(pid, signal.SIGSTOP)
    try:
        began = monotonic()
        with pytest.raises(psycopg.OperationalError, match=r"did not answer within 0\.5 s"):
            server.execute("SELECT 1") if act == "execute" else server.commit()
        assert monotonic() - began < 30
        assert server.closed
    finally:
        os.kill(pid, signal.SIGCONT)
