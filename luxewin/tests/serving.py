"""Starting servers in tests, and asking them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
import psutil
from django.conf import settings

from luxewin.tests.asking import HTTP, database_url

PATIENCE = 120.0  # for a start on a busy machine


@contextmanager
def serving(port: int, command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server on the tests' database that answers at the port; stopped at the end, if it still runs."""
    # Its limits are counted in the same Redis as those of the tests beside it.
    variables = os.environ | {"DATABASE_URL": database_url(), "DATABASE_POOL_SIZE": "2", "RATELIMIT_ENABLE": "false"}
    variables |= environment
    with subprocess.Popen(command, env=variables, cwd=settings.BASE_DIR) as server:
        try:
            wait_for(lambda: is_live(port))
            yield server
        finally:
            server.terminate()
            server.wait(PATIENCE)


def impatient(port: int, workers: int) -> list[str]:
    """The command of a server with short times and few threads."""
    return [sys.executable, "-m", "luxewin.tests.impatient", f"--port={port}", f"--workers={workers}", "--threads=8"]


def is_live(port: int) -> bool:
    """Whether it answers."""
    try:
        return HTTP.get(f"http://127.0.0.1:{port}/health/live", timeout=10).is_success
    except httpx.HTTPError:
        return False


def wait_for(look: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until `look()` is true."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def children(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes that serve."""
    return psutil.Process(server.pid).children()
