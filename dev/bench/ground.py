"""The resources of measurements, each started on first use and ended with the run."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg

from dev.bench.registry import BenchError
from dev.services.processes import free_port
from dev.stack import Stack, server_command

PROCESSES = 2  # of the product's server and of the peer's
SCRIPT_SECONDS = 300
READY_SECONDS = 120  # on a machine that is otherwise busy
# The worker would announce each published raffle on the chain, and cancel the intents of overdue holds, while we
# measure something else.
QUIET = {"CHAIN_RPC_URL": "", "CHAIN_ID": "31337", "HOLD_SECONDS": "86400"}


class Size(StrEnum):
    """How much a measurement does."""

    SMALLEST = "smallest"  # enough to see that it still runs; its figures mean nothing
    USUAL = "usual"
    FULL = "full"  # whole backlogs, where a measurement has some


class Ground:
    """The product's stack with its data in a separate folder, empty at the start of each run."""

    def __init__(self, state: Path, *, size: Size = Size.USUAL) -> None:
        self.state, self.size = state, size
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    def keep[T](self, piece: AbstractContextManager[T]) -> T:
        """Enter a context until the run ends."""
        return self._ends.enter_context(piece)

    @cached_property
    def stack(self) -> Stack:
        """Parts, server and worker as with `make run`, but without reload and with PROCESSES web processes."""
        return self._ends.enter_context(Stack(self.state, fresh=True, web_processes=PROCESSES, environment=QUIET))

    @property
    def is_smallest(self) -> bool:
        """Whether the run only checks that measurements work."""
        return self.size == Size.SMALLEST

    def alternate(
        self, ours: Callable[[float], float], theirs: Callable[[float], float], *, rounds: int, seconds: float
    ) -> tuple[list[float], list[float]]:
        """Warm up each, then take `rounds` samples of each in turn, so that both meet the same disturbances.

        Each callable measures for that many seconds. The first one changes from round to round.
        """
        if self.is_smallest:
            rounds, seconds = 1, 3  # on a busy machine one second may pass without an answer
        else:
            ours(seconds), theirs(seconds)
        samples: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                samples[side].append((ours, theirs)[side](seconds))
        return samples

    def another_server(self, name: str, environment: Mapping[str, str]) -> str:
        """Start a second server of the product on the same database with other variables; return its address."""
        port = free_port()
        return self.serve(name, server_command(port, PROCESSES), port, "/health/live", environment)

    def serve(
        self, name: str, argv: Sequence[str | Path], port: int, path: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """Start a server on a guard, wait until it answers 200 at `path`, and return its address."""
        url = f"http://127.0.0.1:{port}"
        child = self.stack.supervisor.spawn(name, argv, environment)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            try:
                if httpx.get(url + path, timeout=2).status_code == httpx.codes.OK:
                    return url
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise BenchError(f"{name} does not answer; see {child.log}\n{child.log.read_text()[-2000:]}")

    def run(
        self,
        name: str,
        argv: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        seconds: float = SCRIPT_SECONDS,
    ) -> Any:
        """Run a script to its end and return the JSON on the last line of its output."""
        child = self.stack.supervisor.spawn(name, argv, environment)
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{name} has not ended after {seconds} s; see {child.log}") from error
        output = child.log.read_text()
        if code:
            raise BenchError(f"{name} ended with {code}; see {child.log}\n{output[-2000:]}")
        return json.loads(output.splitlines()[-1])

    def run_product(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        seconds: float = SCRIPT_SECONDS,
    ) -> Any:
        """Run one of our modules that works with the product's models."""
        return self.run(module, [sys.executable, "-m", module, *arguments], environment, seconds)

    def database(self, name: str = "") -> str:
        """Return the address of the product's database, or of another in the same cluster, created if missing."""
        parts = urlsplit(self.stack.environment["DATABASE_URL"])
        if not name:
            return urlunsplit(parts)
        with psycopg.connect(urlunsplit(parts), autocommit=True) as server:
            if server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return urlunsplit(parts._replace(path=f"/{name}"))

    def spare_database(self, name: str) -> str:
        """Make a database with the product's schema and no rows, unknown to the stack's worker; return its address.

        It is dropped at the end, even with clients still connected.
        """
        address = self.database(f"spare_{name}")
        self.run_product("dev.bench.product.empty_database", environment={"DATABASE_URL": address})
        self._ends.callback(self._drop, f"spare_{name}")
        return address

    def _drop(self, name: str) -> None:
        # If the server is gone, or vacuums it right now, which we may not stop: the next run empties it.
        failures = (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege)
        with suppress(*failures), psycopg.connect(self.database(), autocommit=True) as server:
            server.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))


def number(database: str, query: str, *values: object) -> int:
    """Run a query that returns a single number."""
    with psycopg.connect(database) as connection:
        row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise BenchError(f"no row: {query}")
    return int(row[0])
