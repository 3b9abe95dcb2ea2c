"""A disk that is really full while people buy, and then has space again. Only root can mount one."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from dev.demo.shop import LateError
from dev.faults.buyers import Habit
from dev.faults.scenario import Scenario
from dev.faults.stage import Trial

MEGABYTES = 24
FULL_SECONDS = 8.0
# Bytes of the server's log for one full disk; without a limit it has a traceback for every request.
LOG_BYTES = 200_000
TABLES = ("purchases_purchase", "purchases_payment", "audit_auditentry")


def _full(trial: Trial) -> None:
    log = trial.stage.stack.supervisor.children["server"].log
    with _small_disk(trial) as disk:
        for _ in range(trial.times):
            trial.shop(2, Habit.WAITS)
            trial.everyone_is_served()
            before = log.stat().st_size
            ballast = disk / "ballast"
            _fill(ballast)
            trial.inject()
            trial.shop(3, Habit.WAITS)
            time.sleep(FULL_SECONDS)
            written = log.stat().st_size - before
            if "No space left on device" not in log.read_text()[-LOG_BYTES:]:
                raise LateError("the disk was full, and nobody noticed")
            ballast.unlink()
            if written > LOG_BYTES:
                raise LateError(f"{written} bytes of log in {FULL_SECONDS:.0f} s of a full disk")
            trial.everyone_is_served()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@contextmanager
def _small_disk(trial: Trial) -> Iterator[Path]:
    """Move purchases, payments and the audit to their own disk of MEGABYTES meanwhile."""
    owner = psutil.Process(trial.stage.stack.supervisor.part("postgres").pid).uids().real
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,uid={owner},mode=700", "tmpfs", str(disk))
        try:
            space = disk / "tables"
            space.mkdir(mode=0o700)
            os.chown(space, owner, -1)
            _as_superuser(trial, sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(space)))
            # A page takes few rows, so that each purchase needs another.
            _move(trial, "SET (fillfactor = 10)", "SET TABLESPACE small")
            yield disk
        finally:
            (disk / "ballast").unlink(missing_ok=True)
            _move(trial, "RESET (fillfactor)", "SET TABLESPACE pg_default")
            _as_superuser(trial, sql.SQL("DROP TABLESPACE small"))
            _run("umount", str(disk))


def _move(trial: Trial, *changes: str) -> None:
    for table in TABLES:
        for change in changes:
            _as_superuser(trial, sql.SQL(f"ALTER TABLE {table} {change}"))  # type: ignore[arg-type]  # constants


def _as_superuser(trial: Trial, statement: sql.Composable) -> None:
    stack = trial.stage.stack
    password = (stack.supervisor.sites["postgres"].folder / "superuser_password").read_text()
    login = stack.environment["DATABASE_URL"]
    with psycopg.connect(login, user="postgres", password=password, autocommit=True) as session:
        session.execute(statement)  # type: ignore[call-overload]  # as above


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own
    if done.returncode:
        raise LateError(f"{' '.join(command)}: {done.stderr.strip()}")


DISK = (
    (Scenario("postgres.full", "the disk of purchases, payments and audit is full, then has space again", _full),)
    if os.geteuid() == 0
    else ()
)
