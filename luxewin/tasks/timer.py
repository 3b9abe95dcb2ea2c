"""The timer of a worker: it runs due sweeps, and enqueues the worker's heartbeat."""

import logging
import threading
import time
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.tasks import async_task

from luxewin import clock
from luxewin.tasks.broker import DatabaseClockBroker
from luxewin.tasks.models import LONGEST_TASK, QUEUE, Heartbeat, StartedTask
from luxewin.tasks.signs import Part, SignsOfLife
from luxewin.tasks.sweeps import run_due_sweeps

log = logging.getLogger(__name__)
TICK_SECONDS = 0.5
BEAT_SECONDS = 5.0
CLEAN_SECONDS = 3600.0


class Timer(threading.Thread):
    """A loop that runs every TICK_SECONDS, for ever. If it hangs, the worker's main thread notices."""

    def __init__(self, worker: str, beats: str, signs: SignsOfLife) -> None:
        super().__init__(name="timer", daemon=True)
        self.worker, self.beats, self.signs = worker, beats, signs
        self._beat_at = self._clean_at = 0.0

    def run(self) -> None:
        """Loop for ever. An absent database, which stops the whole queue, is no reason to end the worker."""
        while True:
            try:
                self._go_round()
            except Error as error:
                log.error("the timer cannot reach the database, trying again: %s", error)  # noqa: TRY400 no news in the trace
                self.signs.see(Part.QUEUE)
                # An open connection may lead to a demoted server, while a new one finds the primary.
                connection.close()
            close_old_connections()
            self.signs.see(Part.TIMER)
            time.sleep(TICK_SECONDS)

    def _go_round(self) -> None:
        clock.offset()
        if time.monotonic() >= self._clean_at:
            _clean()
            self._clean_at = time.monotonic() + CLEAN_SECONDS
        if time.monotonic() >= self._beat_at:
            self._beat()
            self._beat_at = time.monotonic() + BEAT_SECONDS
        # Give a sign of life after each: one may take a whole statement limit, all together longer than the worker's
        # patience.
        run_due_sweeps(after_each=partial(self.signs.see, Part.TIMER))

    def _beat(self) -> None:
        """Enqueue a heartbeat, removing an earlier one: there is at most one, even if its process died."""
        OrmQ.objects.filter(key=self.beats).delete()
        async_task(HEARTBEAT, self.worker, task_name="heartbeat", save=False, broker=DatabaseClockBroker(self.beats))
        if StartedTask.objects.running(self.worker).count() >= settings.Q_CLUSTER["workers"]:
            # All processes are busy: none is free for the heartbeat, for as long as tasks may take.
            self.signs.see(Part.QUEUE)


def heartbeat(worker: str) -> None:
    """Do nothing: going through the queue is the point."""


HEARTBEAT = f"{heartbeat.__module__}.{heartbeat.__qualname__}"


def _clean() -> None:
    """Delete what workers long gone left behind."""
    Heartbeat.forget_old()
    gone = Now() - timedelta(hours=1)
    OrmQ.objects.filter(key__startswith=f"{QUEUE}@", lock__lt=gone).delete()
    once = StartedTask.objects.exclude(name__in=StartedTask.objects.stopped())
    once.filter(started_at__lt=Now() - timedelta(days=1) - LONGEST_TASK).delete()
