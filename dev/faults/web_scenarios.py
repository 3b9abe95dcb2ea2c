"""Slow clients at the server, and killed children of it, while people buy."""

import os
import signal
from functools import partial

import psutil

from dev.demo.shop import LateError, wait_until
from dev.faults.buyers import Habit
from dev.faults.scenario import Scenario
from dev.faults.slow_clients import LARGE_ANSWER, LARGE_FILE, SlowClients, p99, waits
from dev.faults.stage import Trial

CLIENTS = 500
MEASURED_SECONDS = 10.0
LONGEST_WAIT = 1.0
CROWD = 4
RESPAWN_SECONDS = 60


def _slow_clients(kind: str, large: str, trial: Trial) -> None:
    """Open slow clients. Raises LateError if others wait too long."""
    stack = trial.stage.stack
    urls = [f"{stack.url}/health/live", f"{stack.url}/api/v1/raffles/list"]
    for _ in range(trial.times):
        with SlowClients(stack.port, kind, CLIENTS, large=large):
            trial.inject()
            trial.shop(CROWD, Habit.WAITS)
            found = waits(urls, seconds=MEASURED_SECONDS)
            trial.everyone_is_served()
        trial.note = f"99 of 100 other requests took at most {p99(found):.2f} s"
        if p99(found) > LONGEST_WAIT:
            raise LateError(trial.note)


def _children_killed(trial: Trial) -> None:
    """Kill the server's children; waiting buyers repeat what a dead child did not answer."""
    parent = psutil.Process(trial.stage.stack.supervisor.children["server"].pid)
    for _ in range(trial.times):
        for child in parent.children():
            trial.shop(CROWD, Habit.WAITS)
            os.kill(child.pid, signal.SIGKILL)
            trial.inject()
            wait_until("the child's successor", lambda dead=child: _replaced(parent, dead), seconds=RESPAWN_SECONDS)  # type: ignore[misc]
            trial.stage.wait_for_server()
        trial.everyone_is_served()


def _replaced(parent: psutil.Process, dead: psutil.Process) -> bool:
    return parent.is_running() and bool({each.pid for each in parent.children()} - {dead.pid})


SLOW = (
    ("heads", "head", "heads of which a line comes each second", ""),
    ("bodies", "body", "a head and one byte of the body", ""),
    ("chunks", "chunks", "bodies in chunks, a byte each second, at a path that is not there", ""),
    ("file_readers", "reader", "a large file, of which a byte is read each second", LARGE_FILE),
    (
        "answer_readers",
        "reader",
        "a large answer that is made for each, of which a byte is read each second",
        LARGE_ANSWER,
    ),
)
WEB = (
    *(
        Scenario(f"web.slow_{name}", f"{CLIENTS} clients: {what}", partial(_slow_clients, kind, large))
        for name, kind, what, large in SLOW
    ),
    Scenario("web.child_killed", "SIGKILL of each child of the server", _children_killed),
)
