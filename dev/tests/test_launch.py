"""`manage.py` before Django: which commands get the embedded services, and which need nobody."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from dev import launch, services
from dev.launch import PROJECT
from luxewin import commands
from luxewin.commands import LongCommand
from luxewin.progress import progress
from purchases import gateway


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """`ran("migrate")`: what happens when that is typed on a machine where nothing is running or configured."""
    happened: list[str] = []

    @contextmanager
    def running(state: Path) -> Any:
        happened.append(f"parts in {state.name}")
        yield {"DATABASE_URL": "postgres://parts"}

    def execute(argv: list[str]) -> None:
        happened.append(f"{' '.join(argv[1:])} with {os.environ.get('DATABASE_URL', 'no database')}")

    monkeypatch.setenv("LUXEWIN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LUXEWIN_ENV", "development")
    for variable in (name for part in services.SERVICES.values() for name in part.variables):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(services, "running", running)
    monkeypatch.setattr(commands, "execute_from_command_line", execute)

    def run(*words: str, **environment: str) -> list[str]:
        happened.clear()
        # What the launch sets in this process it takes back with it.
        with monkeypatch.context() as typed:
            for name in ("DATABASE_URL", *environment):
                typed.setenv(name, environment.get(name, ""))
                if not environment.get(name):
                    typed.delenv(name)
            launch.main(["manage.py", *words])
        return happened

    return run


NEEDS_PARTS = ["migrate", "reconcile", "check --database default", "check --deploy --tag stripe --database=default"]


@pytest.mark.parametrize("words", NEEDS_PARTS)
def test_a_command_that_reads_data_gets_parts_of_its_own(words, ran):
    assert ran(*words.split()) == ["parts in state", f"{words} with postgres://parts"]


@pytest.mark.parametrize(
    "words", ["check", "check --deploy", "help", "spectacular --file database.yml", "--version", ""]
)
def test_a_command_that_reads_no_data_starts_nothing(words, ran):
    assert ran(*words.split()) == [f"{words} with no database"]


def test_in_production_nothing_is_ever_started(ran):
    assert ran("migrate", LUXEWIN_ENV="production") == ["migrate with no database"]


def test_parts_that_run_already_are_used_and_a_variable_that_is_set_is_kept(ran, monkeypatch):
    monkeypatch.setattr(services, "attached", lambda state: {"DATABASE_URL": "postgres://running", "REDIS_URL": "r"})
    assert ran("migrate") == ["migrate with postgres://running"]
    assert ran("migrate", DATABASE_URL="postgres://mine") == ["migrate with postgres://mine"]


def test_parts_that_cannot_start_are_told_in_a_sentence(ran, monkeypatch):
    @contextmanager
    def broken(state: Path) -> Any:
        raise services.ServiceError("no room on the disk")
        yield

    monkeypatch.setattr(services, "running", broken)
    with pytest.raises(SystemExit, match="The embedded services cannot start: no room on the disk"):
        ran("migrate")


@pytest.mark.django_db(transaction=True)  # a command closes its connections
@pytest.mark.parametrize(("change", "code"), [(False, 0), (True, 1)], ids=["the same", "another event"])
def test_the_check_of_the_subscribed_events_tells_by_its_exit_code(change, code, capsys, monkeypatch):
    """As `manage.py` runs it, but in this process: the test's database is nobody else's."""
    endpoint = gateway.register_webhook("http://127.0.0.1:9")
    if change:
        monkeypatch.setattr("purchases.checks.gateway.EVENTS", (*gateway.EVENTS, "charge.captured"))
    argv = ["manage.py", "check", "--deploy", "--tag", "stripe", "--database", "default"]
    # With an error Django's `check` leaves by SystemCheckError, which becomes exit code 1.
    ended = 0
    try:
        launch.main(argv)
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    told = capsys.readouterr().err
    assert (f"(purchases.E002) Stripe does not send charge.captured to {endpoint.url}." in told) is change


def test_a_plain_check_needs_no_part_and_no_variable(tmp_path: Path) -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = bare | {"LUXEWIN_ENV": "development", "LUXEWIN_STATE": str(tmp_path / "state")}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, (tmp_path / "state").exists()) == (0, False), done.stderr


@pytest.mark.parametrize(
    ("there", "running", "expected"),
    [
        ({"demo"}, None, "demo"),
        ({"demo", "run"}, None, "run"),
        ({"demo", "run"}, "demo", "demo"),
        ({"demo", "run"}, "run", "run"),
        ({"run"}, None, "run"),
        (set(), None, "run"),
    ],
)
def test_a_command_works_on_the_demo_s_data_where_there_are_no_others(
    there, running, expected, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("LUXEWIN_STATE", raising=False)
    monkeypatch.setattr(launch, "STATE", tmp_path)
    monkeypatch.setattr(services, "attached", lambda state: {} if state.name == running else None)
    for name in there:
        (tmp_path / name / "postgres").mkdir(parents=True)
    assert launch.data_dir("verify_draw") == tmp_path / expected
    assert ("make demo" in capsys.readouterr().err) is (expected == "demo")
    assert launch.data_dir("run") == tmp_path / "run"
    monkeypatch.setenv("LUXEWIN_STATE", str(tmp_path / "own"))
    assert launch.data_dir("verify_draw") == tmp_path / "own"


def test_work_that_takes_long_says_so_and_on_standard_error(monkeypatch, capsys):
    monkeypatch.setattr("luxewin.progress.PAUSE_SECONDS", 0.01)
    with progress("waiting"):
        time.sleep(0.2)
    told = capsys.readouterr()
    assert told.err.startswith("… waiting, for 0 s\n")
    assert told.out == ""
    with progress("nothing"):
        pass
    assert capsys.readouterr().err == ""


def test_a_command_that_takes_long_says_so(monkeypatch, capsys):
    class Slow(LongCommand):
        def handle(self, *args, **options):
            time.sleep(0.2)
            return "done"

    monkeypatch.setattr("luxewin.progress.PAUSE_SECONDS", 0.01)
    call_command(Slow())
    told = capsys.readouterr()
    assert told.err.startswith("… test_launch is at work, for 0 s\n")
    assert told.out == "done\n"


def test_a_command_on_an_empty_database_says_what_to_run_first(monkeypatch):
    def empty(self) -> None:
        raise ProgrammingError("no") from UndefinedTable("no")

    monkeypatch.setattr(commands.ManagementUtility, "execute", empty)
    with pytest.raises(SystemExit, match=r"manage.py migrate"):
        commands.execute_from_command_line(["manage.py", "verify_draw", "x"])
