"""On an older schema nothing of this code runs: it would answer 500 where the database lacks what it asks for."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from dev.services.processes import free_port
from luxewin import __version__
from luxewin.health.probes import EXAMINER
from luxewin.schema import SHOWN, SchemaMissing, missing_migrations, probe, refuse_older_schema
from luxewin.tests.asking import database_url
from luxewin.tests.serving import PATIENCE, wait_for

NEWEST = ("purchases", "0001_initial")
NAME = ".".join(NEWEST)


@pytest.fixture
def older() -> Iterator[None]:
    """The database of before a migration of this code, which is noted again in the end."""
    MigrationRecorder(connection).record_unapplied(*NEWEST)
    yield
    MigrationRecorder(connection).record_applied(*NEWEST)


@pytest.mark.django_db
def test_the_database_of_this_code_lacks_nothing():
    assert missing_migrations() == []
    probe()
    refuse_older_schema()


@pytest.mark.django_db
def test_the_schema_of_newer_code_is_fine():
    MigrationRecorder(connection).record_applied("purchases", "9999_of_the_next_release")
    assert missing_migrations() == []


@pytest.mark.django_db
def test_what_is_missing_is_named_as_far_as_it_fits_a_line():
    MigrationRecorder(connection).flush()
    missing = missing_migrations()
    assert {NAME, "djstripe.0001_initial", "audit.0001_initial"} <= set(missing)
    with pytest.raises(SchemaMissing, match=rf"{missing[0]}, .* and {len(missing) - SHOWN} more: run `manage.py mig"):
        probe()


@pytest.mark.django_db(transaction=True)
def test_a_process_is_not_ready_on_an_older_schema(older):
    def answer():
        return Client().get("/health/ready")

    wait_for(lambda: answer().json()["parts"]["schema"]["state"] == "down")
    assert (answer().status_code, answer().json()["status"], answer().json()["version"]) == (503, "down", __version__)
    assert NAME in EXAMINER.probes["schema"].health().detail


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", [["serve", f"--port={free_port()}", "--workers=1"], ["worker"]])
def test_no_process_starts_on_an_older_schema(command, older, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url())
    command = [sys.executable, "manage.py", *command]
    ended = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode not in {0, None}
    assert f"refuses to start: the database lacks {NAME}: run `manage.py migrate`" in ended.stderr


@pytest.mark.django_db
def test_while_the_database_is_away_a_process_starts_and_waits(monkeypatch, closed_port):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", closed_port)
    refuse_older_schema()
    connection.close()


# The counters of a raffle without which nothing is sold; `reconcile` names those that are missing.
MAY_BE_EMPTIED = {"raffles_ticketcounter"}
KEPT = """
    SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger
    WHERE NOT tgisinternal AND tgtype & 11 = 11  -- before each row, on DELETE
"""


@pytest.mark.django_db
def test_no_table_whose_rows_are_kept_can_be_emptied():
    with connection.cursor() as cursor:
        cursor.execute(KEPT)
        tables = {name for (name,) in cursor.fetchall()} - MAY_BE_EMPTIED
        assert len(tables) > 15
        for table in tables:
            with pytest.raises(IntegrityError), transaction.atomic():
                cursor.execute(f"TRUNCATE {table} CASCADE")
