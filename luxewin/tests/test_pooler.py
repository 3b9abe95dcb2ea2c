"""Behind a pooler that gives each transaction another connection no row is lost, and nothing is left in a session."""

import gc
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier
from typing import Any
from warnings import catch_warnings

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from accounts.privacy.exports import rows_of
from luxewin.audit.models import AuditEntry
from luxewin.connections import connections_are_bounded
from luxewin.database import in_batches, statement_timeout
from purchases import gateway, services
from purchases.models import Purchase
from purchases.tests.stage import at_once, bought
from verification.tests.drawing import committed

ROWS = 2_000
SERVER_CONNECTIONS = 3
# PgBouncer gives each client these of its own, whatever connection it comes to.
TRACKED = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "standard_conforming_strings",
]
LEFT = """
    SELECT 'set ' || name FROM pg_settings WHERE source = 'session' AND name <> ALL (%s)
    UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'prepared' FROM pg_prepared_statements WHERE statement <> ''
    UNION ALL SELECT 'cursor' FROM pg_cursors WHERE is_holdable
    UNION ALL SELECT 'listens' FROM pg_listening_channels()
    UNION ALL SELECT 'table' FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()
"""
OPTIONS = "from luxewin.settings import DATABASES; print(DATABASES['default']['OPTIONS'].get('options', 'none'))"


@pytest.fixture
def pooler(tmp_path: Path, transactional_db: None) -> Iterator[str]:
    """Every connection of this process goes through PgBouncer in transaction mode; the address of its database.

    Where LUXEWIN_PGBOUNCER is `required`, a missing one is a failure.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("LUXEWIN_PGBOUNCER") == "required" else pytest.skip)(
            "needs PgBouncer (`apt-get install pgbouncer`)"
        )
    values = connection.settings_dict
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "pgbouncer.ini"
    config.write_text(_configuration(values, port))
    config.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    # It does not run as root.
    account: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    with subprocess.Popen([program, "-q", str(config)], **account) as process:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        former = {name: values[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD", "OPTIONS")}
        connection.close()
        options = {name: value for name, value in values["OPTIONS"].items() if name != "options"}
        through = {"HOST": "127.0.0.1", "PORT": port, "NAME": "pooled", "USER": "anybody", "PASSWORD": "any"}
        values.update(through | {"OPTIONS": options})
        try:
            yield f"postgres://anybody:any@127.0.0.1:{port}/pooled"
        finally:
            connection.close()
            values.update(former)
            process.terminate()


def _configuration(values: dict[str, Any], port: int) -> str:
    names = {"host": "HOST", "port": "PORT", "dbname": "NAME", "user": "USER", "password": "PASSWORD"}
    server = " ".join(f"{name}='{values[key]}'" for name, key in names.items() if values[key])
    options = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any"}
    options |= {"pool_mode": "transaction", "default_pool_size": SERVER_CONNECTIONS}
    lines = "\n".join(f"{name} = {value}" for name, value in options.items())
    return f"[databases]\npooled = {server}\n[pgbouncer]\n{lines}\n"


def _left(pooler: str) -> list[str]:
    """What is left in any of the server's sessions: one transaction in each, all at once."""
    together = Barrier(SERVER_CONNECTIONS)

    def look() -> list[str]:
        with psycopg.connect(pooler, prepare_threshold=None) as client:
            client.execute("SELECT 1")
            together.wait(60)
            return [what for (what,) in client.execute(LEFT, [TRACKED])]

    return sorted({what for found in at_once(*[look] * SERVER_CONNECTIONS) for what in found})


def _rows_read() -> list[object]:
    """Read through all rows a few at a time, four times at once; return how many came, or the error."""

    def read() -> object:
        try:
            return len({entry.pk for entry in AuditEntry.objects.order_by("pk").iterator(chunk_size=20)})
        except DatabaseError as error:
            return type(error).__name__

    return at_once(*[read] * 4)


@pytest.fixture
def rows(transactional_db: None) -> None:
    """More rows than one page of a cursor has."""
    AuditEntry.objects.bulk_create(AuditEntry(action="test.read", subject_type="t") for _ in range(ROWS))


def test_every_row_is_read_where_a_cursor_at_the_server_would_lose_some(rows, pooler):
    values = connection.settings_dict
    ours = values["DISABLE_SERVER_SIDE_CURSORS"]
    values["DISABLE_SERVER_SIDE_CURSORS"] = False
    try:
        assert _rows_read() != [ROWS] * 4
    finally:
        values["DISABLE_SERVER_SIDE_CURSORS"] = ours
        with catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()  # cursors that the errors left open
    assert _rows_read() == [ROWS] * 4
    batches = [lambda: len({entry.pk for entry in in_batches(AuditEntry.objects.all(), 300)})] * 4
    assert at_once(*batches) == [ROWS] * 4


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("SET statement_timeout = '1h'", "set statement_timeout"),
        ("SELECT pg_advisory_lock(1)", "lock"),
        ("PREPARE a AS SELECT 1", "prepared"),
        ("DECLARE a CURSOR WITH HOLD FOR SELECT 1", "cursor"),
        ("LISTEN a", "listens"),
        ("CREATE TEMPORARY TABLE a (b int)", "table"),
    ],
)
def test_what_a_statement_leaves_in_a_session_is_found(statement, what, pooler):
    with psycopg.connect(pooler, autocommit=True, prepare_threshold=None) as client:
        client.execute(statement)
    assert _left(pooler) == [what]


def test_buying_settling_and_reading_leave_nothing_in_a_session(pooler, people, on_sale, client):
    buyers, raffle = people(4), on_sale(max_per_person=10)

    def shop(buyer: Any) -> Any:
        def act() -> list[str]:
            purchases = [bought(buyer, raffle, 2) for _ in range(4)]
            with statement_timeout("read for long", minutes=1):
                list(rows_of(Purchase.objects.filter(buyer=buyer)))
                gateway.lock_event(f"evt_{buyer.pk}")
            return [purchase.status for purchase in purchases]

        return act

    assert at_once(*map(shop, buyers)) == [["paid"] * 4] * 4
    assert sorted(Purchase.objects.values_list("first_ticket", flat=True)) == list(range(1, 33, 2))
    list(services.faults_of_the_books())
    call_command("verify_audit")
    assert client.get("/api/v1/raffles/list").status_code == 200
    committed(raffle)
    for file in ("entries.csv", "log"):
        assert client.get(f"/api/v1/verification/{raffle.pk}/{file}").status_code == 200
    assert _left(pooler) == []


def test_migrations_are_refused_and_lift_nobody_s_limits(pooler, settings):
    settings.DATABASE_TRANSACTION_POOLER = True
    with pytest.raises(CommandError, match="DATABASE_TRANSACTION_POOLER=false"):
        call_command("migrate", "tasks", verbosity=0)
    assert _left(pooler) == []


def test_a_check_names_limits_that_the_server_does_not_set(pooler, settings):
    settings.DATABASE_TRANSACTION_POOLER = True
    said = [f"{fault.id} {fault.msg.split(' is ')[0]}" for fault in connections_are_bounded(databases=["default"])]
    assert said == [
        f"luxewin.E037 {name}" for name in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_TRANSACTION_POOLER": "true", "DATABASE_URL": "postgres://a:b@127.0.0.1:6432/c"},
        {"DATABASE_URL": "postgres://postgres.abc:b@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"},
    ],
    ids=["PgBouncer", "Supabase"],
)
def test_no_options_are_sent_to_such_a_pooler(variables):
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_TRANSACTION_POOLER"} | variables
    done = subprocess.run([sys.executable, "-c", OPTIONS], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
