"""Parts that hang instead of refusing, and a database that only reads, while people buy.

A part that refuses is noticed at once; one that hangs blocks whatever waits for it. So this measures everything else:
how long the server takes for what does not need the part.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import httpx
import psutil
import psycopg
from psycopg import sql

from dev.demo.shop import LateError, wait_until
from dev.faults.buyers import Habit
from dev.faults.scenario import Scenario
from dev.faults.stage import Trial
from dev.stack import GRACE

HUNG_SECONDS = 20.0
READ_ONLY_SECONDS = 5.0
# Load balancers that ask for the health, each again as soon as it has its answer or has given up.
PROBERS, PROBE_PATIENCE = 6, 5.0
# 99 of 100 other requests must be answered within this.
P99_SECONDS = 1.0
# Time until every process of the worker has asked a hanging database for something.
ASKED_SECONDS = 6.0
LIVE, READ = "/health/live", "/api/v1/raffles/list"


def _hung_while_probed(part: str, trial: Trial) -> None:
    for _ in range(trial.times):
        trial.shop(2, Habit.WAITS)
        with _hung(trial, part):
            trial.inject()
            trial.shop(1, Habit.WAITS)
            # Without the database a page of raffles is 503, but the process is alive and says so.
            times = _ask_meanwhile(trial, LIVE if part == "postgres" else READ)
        trial.everyone_is_served()
        p99 = sorted(times)[int(len(times) * 0.99)] if times else float("inf")
        print(f"         {trial.name}: {len(times)} other requests, 99 of 100 within {p99 * 1000:.0f} ms", flush=True)  # noqa: T201 a command's
        if p99 > P99_SECONDS:
            raise LateError(f"while {part} hung, 99 of 100 other requests took up to {p99:.2f} s")


@contextmanager
def _hung(trial: Trial, part: str) -> Iterator[None]:
    """Stop every process of the part meanwhile."""
    first = psutil.Process(trial.stage.stack.supervisor.part(part).pid)
    # Stop the one that starts the others first, so that it starts no more.
    os.kill(first.pid, signal.SIGSTOP)
    tree = [first.pid, *(child.pid for child in first.children(recursive=True))]
    try:
        for pid in tree[1:]:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(tree):
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _ask_meanwhile(trial: Trial, path: str) -> list[float]:
    """Return the seconds that each request for `path` took, while health is asked without a pause."""
    over = threading.Event()
    probers = [threading.Thread(target=_probe, args=(trial.stage.stack.url, over)) for _ in range(PROBERS)]
    for prober in probers:
        prober.start()
    times = []
    try:
        with httpx.Client(timeout=HUNG_SECONDS) as http:
            end = time.monotonic() + HUNG_SECONDS
            while (began := time.monotonic()) < end:
                with suppress(httpx.HTTPError):  # it counts with the time until then
                    http.get(f"{trial.stage.stack.url}{path}")
                times.append(time.monotonic() - began)
                over.wait(0.05)
    finally:
        over.set()
        for prober in probers:
            prober.join()
    return times


def _probe(url: str, over: threading.Event) -> None:
    with httpx.Client(timeout=PROBE_PATIENCE) as http:
        while not over.wait(0.1):
            try:
                http.get(f"{url}/health/ready")
            except httpx.HTTPError:
                continue


def _read_only(trial: Trial) -> None:
    """Make the database read-only, as after a failover: for every session, and for kept ones even after it ends."""
    for _ in range(trial.times):
        trial.shop(2, Habit.WAITS)
        trial.shop(1, Habit.LEAVES)
        time.sleep(0.3)
        _set_read_only(trial, sql.SQL("SET default_transaction_read_only = on"))
        trial.inject()
        try:
            trial.shop(2, Habit.WAITS)
            wait_until("health to notice", lambda: _ready(trial) == httpx.codes.SERVICE_UNAVAILABLE, seconds=60)
            if not trial.stage.http.get(f"{trial.stage.stack.url}{READ}").is_success:
                raise LateError("a database that only reads was not read")
            time.sleep(READ_ONLY_SECONDS)
        finally:
            _set_read_only(trial, sql.SQL("RESET default_transaction_read_only"), cut=False)
        trial.everyone_is_served()
        wait_until("health to notice the end", lambda: _ready(trial) == httpx.codes.OK, seconds=60)


def _worker_ends_while_the_database_hangs(trial: Trial) -> None:
    """End the worker; the next one starts while the database still hangs, and works as soon as it answers."""
    for _ in range(trial.times):
        trial.shop(2, Habit.WAITS)
        trial.everyone_is_served()
        worker = trial.stage.stack.supervisor.children["worker"]
        main = psutil.Process(worker.pid)
        family = main.children(recursive=True)
        with _hung(trial, "postgres"):
            trial.inject()
            time.sleep(ASKED_SECONDS)
            main.terminate()
            began = time.monotonic()
            if psutil.wait_procs([main, *family], GRACE)[1]:
                raise LateError(f"a process of the worker was there {GRACE:.0f} s after SIGTERM")
            took = time.monotonic() - began
            time.sleep(ASKED_SECONDS)
        print(f"         {trial.name}: the worker ended with {worker.wait(GRACE)} after {took:.0f} s", flush=True)  # noqa: T201 a command's
        trial.last_at = time.time()
        trial.shop(2, Habit.LEAVES)
        trial.everyone_is_served()
        wait_until("all to be paid", lambda: set(trial.statuses()) == {"paid"}, seconds=120, every=1)


def _set_read_only(trial: Trial, change: sql.SQL, *, cut: bool = True) -> None:
    with psycopg.connect(trial.stage.stack.environment["DATABASE_URL"], autocommit=True) as session:
        session.execute("SET default_transaction_read_only = off")
        database = sql.Identifier(session.info.dbname)
        session.execute(sql.SQL("ALTER DATABASE {} {}").format(database, change))
        if cut:
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def _ready(trial: Trial) -> int:
    return trial.stage.http.get(f"{trial.stage.stack.url}/health/ready").status_code


HUNG = ("postgres", "valkey", "stripe", "chain", "beacon", "mail")
HANGS = (
    *(
        Scenario(f"{part}.hung", f"{part} hangs (SIGSTOP) while health is asked", partial(_hung_while_probed, part))
        for part in HUNG
    ),
    Scenario(
        "worker.ended_while_postgres_hangs",
        "SIGTERM of the worker while PostgreSQL hangs (SIGSTOP)",
        _worker_ends_while_the_database_hangs,
    ),
    Scenario("postgres.read_only", "the database only reads, as after a failover", _read_only),
)
