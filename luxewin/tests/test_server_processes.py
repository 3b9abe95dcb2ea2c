"""The server's processes: any of them can be killed, none outlives its parent, one port has one server."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import settings

from dev.services.processes import free_port
from dev.stack import server_command
from luxewin.tests.asking import HTTP
from luxewin.tests.serving import PATIENCE, children, impatient, is_live, serving, wait_for

WORKERS = 2


class Load:
    """Requests one after the other, each by a connection of its own, from several threads."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/health/live"
        self.outcomes: Counter[str] = Counter()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(3)]

    def _ask(self) -> None:
        while not self.over.is_set():
            try:
                self.outcomes[str(HTTP.get(self.url, timeout=PATIENCE).status_code)] += 1
            except httpx.HTTPError as error:
                self.outcomes[type(error).__name__] += 1


@contextmanager
def load(port: int) -> Iterator[Counter[str]]:
    """The outcomes of what is asked meanwhile."""
    asking = Load(port)
    for thread in asking.threads:
        thread.start()
    try:
        yield asking.outcomes
    finally:
        asking.over.set()
        for thread in asking.threads:
            thread.join()


@pytest.fixture
def port(django_db_setup: None) -> int:
    return free_port()


def _others(server: subprocess.Popen[bytes], than: set[int]) -> bool:
    """Whether as many children as there should be run, none of them of the old ones."""
    now = set()
    for child in children(server):
        # It may end between the two looks.
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                now.add(child.pid)
    return len(now) == WORKERS and not now & than


def test_a_killed_child_costs_its_own_requests_and_sighup_costs_none(port):
    with serving(port, impatient(port, WORKERS)) as server, load(port) as outcomes:
        for _ in range(WORKERS):
            before = children(server)
            served = outcomes["200"]
            before[0].kill()
            wait_for(lambda old=before[0].pid: _others(server, {old}))  # type: ignore[misc]
            wait_for(lambda served=served: outcomes["200"] > served + 20)  # type: ignore[misc]
        lost = sum(outcomes.values()) - outcomes["200"]
        # At most what each of the load's threads had under way at each kill, and no error that the server answered.
        assert lost <= 3 * WORKERS, outcomes
        assert not [outcome for outcome in outcomes if outcome.isdigit() and outcome != "200"], outcomes
        old = {child.pid for child in children(server)}
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: _others(server, old))
        served = outcomes["200"]
        wait_for(lambda: outcomes["200"] > served + 20)
        assert sum(outcomes.values()) - outcomes["200"] == lost, outcomes
        assert server.poll() is None


def test_one_port_has_one_server_and_a_killed_parent_frees_it(port):
    with serving(port, impatient(port, WORKERS)) as server:
        second = subprocess.run(server_command(port, 1), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert second.returncode == 1
        assert second.stderr == f"cannot listen at 127.0.0.1 port {port}: something listens there already\n"
        family = children(server)
        assert len(family) == WORKERS
        server.kill()
        server.wait()
        assert psutil.wait_procs(family, timeout=PATIENCE)[1] == []
        assert not is_live(port)
        with serving(port, impatient(port, 1)):
            pass


def test_a_stop_is_bounded_and_says_that_it_had_to_kill(port, tmp_path):
    with serving(port, impatient(port, WORKERS)) as server, _asking(port, 600, tmp_path):
        family = children(server)
        server.terminate()
        assert server.wait(PATIENCE) == 1
        assert psutil.wait_procs(family, timeout=PATIENCE)[1] == []


def test_a_stop_lets_what_is_under_way_finish(port, tmp_path):
    with serving(port, impatient(port, 1)) as server:
        with _asking(port, 1.5, tmp_path) as statuses:
            server.terminate()
        assert statuses == [200]
        assert server.wait(PATIENCE) == 0


@contextmanager
def _asking(port: int, seconds: float, folder: Path) -> Iterator[list[int]]:
    """A request that takes so long is under way; at the end its status is in the list, 0 if it was not answered."""
    statuses: list[int] = []
    mark = folder / "begun"
    url = f"http://127.0.0.1:{port}/slow/{seconds}?{mark}"
    asking = threading.Thread(target=lambda: statuses.append(_try(url)))
    asking.start()
    wait_for(mark.exists)
    yield statuses
    asking.join()


def _try(url: str) -> int:
    try:
        return HTTP.get(url, timeout=PATIENCE).status_code
    except httpx.HTTPError:
        return 0


def test_settings_that_are_refused_end_the_server_and_not_only_its_children(port):
    """Red while gunicorn took the refusal for an end like any other: it started the children again without end."""
    variables = {"PATH": os.environ["PATH"], "LUXEWIN_ENV": "production"}
    command = [sys.executable, "-m", "luxewin.server", f"--port={port}", f"--workers={WORKERS}"]
    ended = subprocess.run(
        command, env=variables, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode not in {0, None}
    assert "This process refuses to start (production)." in ended.stderr
    assert "luxewin.E001" in ended.stderr
