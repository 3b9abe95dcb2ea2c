"""A worker: django-q2's cluster, the timer that feeds it, and a watch that ends both as soon as either hangs.

The cluster's processes share queues whose locks die with their holder: after a SIGKILL or SIGSTOP of one process all
others may stay alive and wait for ever. So a living process proves nothing. The timer enqueues a heartbeat every few
seconds into a queue that only this worker reads; if neither it nor any other task goes through for SILENCE, the main
process ends the worker, and the process manager starts a new one.
"""

import logging
import os
import signal
import socket
import threading
import time
from typing import Any

from django.db import Error
from django_q.cluster import Cluster
from django_q.signals import post_execute, pre_execute

from luxewin import clock
from luxewin.processes import end_with_parent
from luxewin.tasks.broker import DatabaseClockBroker
from luxewin.tasks.models import QUEUE, SILENCE, Heartbeat, StartedTask
from luxewin.tasks.signs import Part, SignsOfLife
from luxewin.tasks.timer import BEAT_SECONDS, HEARTBEAT, Timer

log = logging.getLogger(__name__)
TICK_SECONDS = 0.2
# Tasks under way may take this long to finish after the signal.
STOP_SECONDS = 30.0
# A watcher that did not run for so long was stopped, perhaps with all others: they get a new chance.
PAUSED_SECONDS = 5.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class WorkerError(Exception):
    """Why the worker ends by itself; its processes are dead by then."""


class Worker:
    """A worker, one per process. The main process does nothing that can hang; the timer is a thread of it."""

    def __init__(self) -> None:
        # The end of a host name distinguishes machines and pods.
        self.name = f"{socket.gethostname()[-50:]}:{os.getpid()}"
        self.signs = SignsOfLife()
        self._main = os.getpid()
        self._noted_at = float("-inf")
        self._is_stopping = False
        beats = f"{QUEUE}@{self.name}"
        self._cluster = Cluster(DatabaseClockBroker(beats=beats, pulse=self._sentinel_goes_round))
        self._timer = Timer(self.name, beats, self.signs)
        pre_execute.connect(self._task_begins)
        post_execute.connect(self._task_is_through)
        _tie_children()

    def start(self) -> None:
        """Start the processes and the timer. It forks: no thread may run and no database connection be open before."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop_signal)
        self._cluster.start()
        self.signs.reset()
        self._timer.start()

    def watch(self) -> None:
        """Return after a stop signal, once everything has ended in order.

        Raise WorkerError if a part hangs or dies, or if the stop takes longer than STOP_SECONDS.
        """
        while not self._is_stopping:
            self._look()
            time.sleep(TICK_SECONDS)
        self._stop()

    def _look(self) -> None:
        if self.signs.silence(Part.MAIN) > PAUSED_SECONDS:
            self.signs.reset()
        self.signs.see(Part.MAIN)
        if not self._cluster.sentinel.is_alive():
            raise WorkerError(f"the cluster died with exit code {self._cluster.sentinel.exitcode}")
        # The timer measures the clock, which may take a while.
        if fault := clock.fault():
            self._kill()
            raise WorkerError(fault)
        for part in self.signs.silent(SILENCE.total_seconds()):
            self._kill()
            raise WorkerError(f"{part.label} for {SILENCE.seconds} s")

    def _stop_signal(self, number: int, frame: Any) -> None:
        self._is_stopping = True

    def _stop(self) -> None:
        """Stop in django-q2's order: tasks already fetched are finished."""
        # It waits for the sentinel, which may be stopped or dead.
        threading.Thread(target=self._cluster.stop_event.set, daemon=True).start()
        sentinel = self._cluster.sentinel
        deadline = time.monotonic() + STOP_SECONDS
        while sentinel.is_alive() and time.monotonic() < deadline:
            self.signs.see(Part.MAIN)
            sentinel.join(TICK_SECONDS)
        if sentinel.is_alive():
            self._kill()
            raise WorkerError(f"the worker did not stop within {STOP_SECONDS:.0f} s, its processes were killed")
        if sentinel.exitcode:
            raise WorkerError(f"the cluster died while it stopped, with exit code {sentinel.exitcode}")

    def _kill(self) -> None:
        """Kill the sentinel; the others end with their parent."""
        self._cluster.sentinel.kill()
        self._cluster.sentinel.join()

    def _sentinel_goes_round(self) -> None:
        """Watch the main process from the sentinel: without it nothing would end the worker."""
        was_paused = self.signs.silence(Part.SENTINEL) > PAUSED_SECONDS
        self.signs.see(Part.SENTINEL)
        if self.signs.silence(Part.MAIN) > SILENCE.total_seconds() and not was_paused:
            log.critical("the worker ends: %s for %s s", Part.MAIN.label, SILENCE.seconds)
            os.kill(self._main, signal.SIGKILL)

    def _task_begins(self, task: dict[str, Any], **kwargs: Any) -> None:
        """Record the start of a task, in a worker process."""
        if task["func"] == HEARTBEAT:
            return
        try:
            task["start"] = StartedTask.begin(task, self.name)
        except Error as error:
            log.error("the start of task %s cannot be noted: %s", task["name"], error)  # noqa: TRY400 no news in the trace

    def _task_is_through(self, task: dict[str, Any], **kwargs: Any) -> None:
        """Record the end of a task, in the process that removes finished tasks from the queue."""
        try:
            StartedTask.end(task, task.get("start"))
            if time.monotonic() - self._noted_at >= BEAT_SECONDS:
                Heartbeat.beat(self.name)
                self._noted_at = time.monotonic()
        except Error as error:
            log.error("the end of task %s cannot be noted: %s", task["name"], error)  # noqa: TRY400 no news in the trace
        else:
            self.signs.see(Part.QUEUE)


def _tie_children() -> None:
    """Make all processes that this one and its children fork end with their parent."""
    parent = [os.getpid()]
    os.register_at_fork(
        before=lambda: parent.__setitem__(0, os.getpid()), after_in_child=lambda: end_with_parent(parent[0])
    )
