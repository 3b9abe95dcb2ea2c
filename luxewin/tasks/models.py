"""Background work in the database: claims on due rows, heartbeats of workers, and tasks under way."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django_q.exceptions import TimeoutException
from django_q.models import OrmQ

from luxewin.metrics import age_of_oldest

# If nothing goes through a worker's queue for this long, it ends itself, and health reports it.
SILENCE = timedelta(seconds=30)
# If a task is due for longer, health reports the queue as late.
LATE = timedelta(seconds=60)
# A task that began longer ago is not running any more: it was ended, or its worker died.
LONGEST_TASK = timedelta(seconds=settings.Q_CLUSTER["timeout"] + 10)
QUEUE = settings.Q_CLUSTER["name"]
# Part of the traceback of a task that django-q2 ended after Q_CLUSTER's `timeout`.
TIMED_OUT = f"{TimeoutException.__module__}.{TimeoutException.__qualname__}"


class Claimable(models.Model):
    """A row that waits for background work: `luxewin.tasks.sweeps.enqueue_due` claims it for a while."""

    claimed_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


class Heartbeat(models.Model):
    """When a task last went through the whole queue of a worker: fetched, run, and acknowledged."""

    name = models.CharField(primary_key=True, max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "worker"

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"

    @classmethod
    def beat(cls, name: str) -> None:
        """Record that a task went through this worker. Cost: one upsert."""
        cls.objects.update_or_create(name=name, defaults={"at": Now()})

    @classmethod
    def forget_old(cls) -> None:
        """Delete the rows of workers long gone."""
        cls.objects.filter(at__lt=Now() - timedelta(days=1)).delete()

    @classmethod
    def alive(cls) -> models.QuerySet["Heartbeat"]:
        """Filter workers through which a task went lately."""
        return cls.objects.filter(at__gte=Now() - SILENCE)

    @classmethod
    def probe(cls) -> None:
        """Raise RuntimeError unless all tasks go through some worker in time. Cost: three queries."""
        if not cls.alive().exists():
            raise RuntimeError(
                f"no task went through a worker for {SILENCE.seconds} s: start `manage.py worker`, or read its log"
            )
        if waited := age_of_oldest(OrmQ.objects.filter(key=QUEUE, lock__lt=Now() - LATE), "lock"):
            raise RuntimeError(f"the oldest task has waited for {waited:.0f} s")
        if stopped := StartedTask.objects.stopped():
            raise RuntimeError(
                f"{len(stopped)} tasks are stopped, each killed its worker {StartedTask.LIMIT} times or took too long "
                f"{StartedTask.TIMEOUT_LIMIT} times: {', '.join(stopped)[:100]}; see `manage.py retry_stopped_tasks`"
            )


class StartedTaskQuerySet(models.QuerySet["StartedTask"]):
    """Started tasks: running, or whose worker died, or timed out."""

    def running(self, worker: str) -> "StartedTaskQuerySet":
        """Keep the tasks that this worker may be running."""
        return self.filter(worker=worker, started_at__gt=Now() - LONGEST_TASK, timed_out=False)

    def is_stopped(self, task: dict[str, Any]) -> bool:
        """Whether a task of this function and these arguments must not run any more. Cost: one query."""
        return self._beyond_limits().filter(key=key_of(task)).exists()

    def stopped(self) -> list[str]:
        """Return the names of the tasks that must not run any more."""
        stopped = self._beyond_limits().annotate(task=models.Max("name")).order_by("task")
        return list(stopped.values_list("task", flat=True))

    def release(self) -> None:
        """Allow stopped tasks again, with their starts forgotten."""
        self.filter(key__in=self._beyond_limits().values("key")).delete()

    def _beyond_limits(self) -> models.QuerySet["StartedTask", Any]:
        """Return the keys with too many starts without an end, or too many time-outs."""
        timed_out = models.Count("pk", filter=models.Q(timed_out=True))
        starts = self.values("key").annotate(timed_out_times=timed_out, died_times=models.Count("pk") - timed_out)
        return starts.filter(
            models.Q(died_times__gte=StartedTask.LIMIT) | models.Q(timed_out_times__gte=StartedTask.TIMEOUT_LIMIT)
        )


class StartedTask(models.Model):
    """A start of a task, committed before its work begins and removed when the task ends, also by an exception.

    A row stays if a worker process died in the middle, or a task took longer than Q_CLUSTER's `timeout`. A task (a
    function and its arguments) that left LIMIT of the first or TIMEOUT_LIMIT of the second kind is not run any more.
    """

    LIMIT = 5
    # Higher, because on a slow day a task may time out, which only blocks one process for a while.
    TIMEOUT_LIMIT = 10

    key = models.CharField(max_length=64, db_index=True, help_text="SHA-256 of the function and its arguments.")
    name = models.CharField(max_length=100)
    worker = models.CharField(max_length=64)
    started_at = models.DateTimeField(db_default=Now())
    timed_out = models.BooleanField(default=False, db_default=False, help_text="It ran for too long and was stopped.")

    objects = StartedTaskQuerySet.as_manager()

    class Meta:
        verbose_name = "task under way"
        verbose_name_plural = "tasks under way"

    def __str__(self) -> str:
        return f"{self.name} by {self.worker}"

    @classmethod
    def begin(cls, task: dict[str, Any], worker: str) -> int:
        """Record a start, and return its id. Cost: one INSERT."""
        return int(cls.objects.create(key=key_of(task), name=task["name"][:100], worker=worker).pk)

    @classmethod
    def end(cls, task: dict[str, Any], start: int | None) -> None:
        """Delete the start, and earlier ones whose worker died: the task can be done after all. Cost: one statement.

        A task that timed out has not shown that: its start is marked and stays.
        """
        if not task["success"] and TIMED_OUT in task["result"]:
            cls.objects.filter(models.Q(pk=start)).update(timed_out=True)
            return
        died = models.Q(started_at__lte=Now() - LONGEST_TASK) | models.Q(timed_out=True)
        cls.objects.filter(models.Q(pk=start) | died, key=key_of(task)).delete()


def key_of(task: dict[str, Any]) -> str:
    """Return the key of a task: the same for every run of the same work."""
    about = f"{task['func']}{task['args']!r}{task.get('kwargs')!r}"
    return hashlib.sha256(about.encode()).hexdigest()
