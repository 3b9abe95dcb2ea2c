"""The broker of django-q2: a task table in our database, claimed by the database's clock, without Redis."""

import logging
from collections.abc import Callable
from time import sleep
from typing import Any

from django.db import Error, connections
from django.db.models.functions import Now
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.signing import BadSignature, SignedPackage

log = logging.getLogger(__name__)
UNREADABLE_SECONDS = 2.0  # between two tries while the database is away
# One statement, so concurrent workers never get the same task.
CLAIM = """
    UPDATE django_q_ormq SET lock = statement_timestamp() + make_interval(secs => %s) WHERE id = (
        SELECT id FROM django_q_ormq WHERE key = %s AND lock <= statement_timestamp()
        ORDER BY lock, id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING id, payload
"""


class DatabaseClockBroker(ORM):
    """The queue `list_key`, and for a worker also the queue `beats`, which is its own.

    While the database is away a worker's processes keep running: they log one line per try. `pulse` is called about
    twice a second by the process that starts and replaces the others.
    """

    def __init__(
        self, list_key: str | None = None, *, beats: str = "", pulse: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(list_key)
        self.beats, self.pulse = beats, pulse

    @staticmethod
    def get_cache() -> None:
        """Return nothing: statistics would need Redis, which background work does not need."""
        return

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Give a sign of life instead of statistics; the sentinel calls this every half second."""
        self.pulse()

    def queue_size(self) -> int:
        """Return how many tasks are due."""
        return int(self.get_connection().filter(key=self.list_key, lock__lte=Now()).count())

    def lock_size(self) -> int:
        """Return how many tasks are claimed."""
        return int(self.get_connection().filter(key=self.list_key, lock__gt=Now()).count())

    def enqueue(self, task: str) -> Any:
        """Add a task that is due now. Cost: one INSERT."""
        return self.get_connection().create(key=self.list_key, payload=task, lock=Now()).pk

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Claim the task that has been due longest, for Q_CLUSTER's `retry` seconds; sleep if there is none.

        A task that killed its worker or timed out too often is removed instead. Cost: at most three statements.
        """
        try:
            self.get_connection()  # replaces one that went stale
            claimed = self._claim(self.beats) or self._claim(self.list_key)
            if claimed and self._is_stopped(claimed[1]):
                self.delete(claimed[0])
                return None
        except Error as error:
            log.error("the task queue cannot be read, trying again: %s", error)  # noqa: TRY400 no news in the trace
            connections[Conf.ORM].close()
            sleep(UNREADABLE_SECONDS)
            return None
        if claimed is None:
            sleep(Conf.POLL)
            return None
        return [claimed]

    def acknowledge(self, task_id: int) -> None:
        """Remove a finished task. If the database is away it stays, and runs once more after `retry` seconds."""
        try:
            self.delete(task_id)
        except Error as error:
            log.error("a finished task cannot be removed, it runs again in %s s: %s", Conf.RETRY, error)  # noqa: TRY400

    def _claim(self, key: str) -> tuple[int, str] | None:
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute(CLAIM, [Conf.RETRY, key])
            row: tuple[int, str] | None = cursor.fetchone()
        return row

    def _is_stopped(self, payload: str) -> bool:
        from luxewin.tasks.models import StartedTask

        try:
            task = SignedPackage.loads(payload)
        except (TypeError, BadSignature):
            return False  # django-q2 logs and removes it
        if stopped := StartedTask.objects.is_stopped(task):
            log.critical("task %s killed its worker or ran out of time too often, it is not run", task["name"])
        return stopped
