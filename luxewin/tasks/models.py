"""What background work keeps in the database: claims on due rows, workers' signs of life, and tasks under way."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django_q.exceptions import TimeoutException
from django_q.models import OrmQ

# So long nothing may go through a worker's queue: then it ends itself, and health says so.
SILENCE = timedelta(seconds=30)
# So long a task may be due before health calls the queue late.
LATE = timedelta(seconds=60)
# A task that began longer ago does not run any more: it was ended, or its worker died.
LONGEST_TASK = timedelta(seconds=settings.Q_CLUSTER["timeout"] + 10)
QUEUE = settings.Q_CLUSTER["name"]
# What the traceback of a task has in it that django-q2 ended after Q_CLUSTER's `timeout`.
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
        """Says that a task went through this worker. Cost: one upsert."""
        cls.objects.update_or_create(name=name, defaults={"at": Now()})

    @classmethod
    def forget_old(cls) -> None:
        """Removes the rows of workers that are long gone."""
        cls.objects.filter(at__lt=Now() - timedelta(days=1)).delete()

    @classmethod
    def probe(cls) -> None:
        """Raises RuntimeError unless tasks go through some worker, in time, and all of them. Cost: three queries."""
        if not cls.objects.filter(at__gte=Now() - SILENCE).exists():
            raise RuntimeError(
                f"no task went through a worker for {SILENCE.seconds} s: start `manage.py worker`, or read its log"
            )
        waiting = OrmQ.objects.filter(key=QUEUE, lock__lt=Now() - LATE).aggregate(
            longest=Now() - models.Min("lock", output_field=models.DateTimeField())
        )
        if waiting["longest"]:
            raise RuntimeError(f"the oldest task has waited for {waiting['longest'].total_seconds():.0f} s")
        if stopped := StartedTask.objects.stopped():
            raise RuntimeError(
                f"{len(stopped)} tasks are stopped, each killed its worker {StartedTask.LIMIT} times or took too long "
                f"{StartedTask.TIMEOUT_LIMIT} times: {', '.join(stopped)[:100]}; see `manage.py retry_stopped_tasks`"
            )


class StartedTaskQuerySet(models.QuerySet["StartedTask"]):
    """Tasks that run, and those that died or ran out of time."""

    def running(self, worker: str) -> "StartedTaskQuerySet":
        """What this worker may be at."""
        return self.filter(worker=worker, started_at__gt=Now() - LONGEST_TASK, timed_out=False)

    def is_stopped(self, task: dict[str, Any]) -> bool:
        """Whether a task of this function and these arguments is not to be run any more. Cost: one query."""
        return self._beyond_limits().filter(key=key_of(task)).exists()

    def stopped(self) -> list[str]:
        """The names of the tasks that are not run any more."""
        stopped = self._beyond_limits().annotate(task=models.Max("name")).order_by("task")
        return list(stopped.values_list("task", flat=True))

    def release(self) -> None:
        """Lets stopped tasks run again, as if they had never begun."""
        self.filter(key__in=self._beyond_limits().values("key")).delete()

    def _beyond_limits(self) -> models.QuerySet["StartedTask", Any]:
        """Keys whose starts without an end, or whose time-outs, are too many."""
        timed_out = models.Count("pk", filter=models.Q(timed_out=True))
        starts = self.values("key").annotate(timed_out_times=timed_out, died_times=models.Count("pk") - timed_out)
        return starts.filter(
            models.Q(died_times__gte=StartedTask.LIMIT) | models.Q(timed_out_times__gte=StartedTask.TIMEOUT_LIMIT)
        )


class StartedTask(models.Model):
    """A start of a task, committed before its work begins and removed when the task ends, also by an exception.

    What stays is of a worker process that died in the middle, or of a task that took longer than Q_CLUSTER's `timeout`.
    A task, which is a function and its arguments, that left LIMIT of the first or TIMEOUT_LIMIT of the second kind is
    not run any more.
    """

    LIMIT = 5
    # Higher: a slow day ends a task in time now and then, and costs nobody else's work but one process for a while.
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
        """Notes a start, and answers its id. Cost: one INSERT."""
        return int(cls.objects.create(key=key_of(task), name=task["name"][:100], worker=worker).pk)

    @classmethod
    def end(cls, task: dict[str, Any], start: int | None) -> None:
        """Forgets the start, and earlier ones whose worker died: the task can be done after all. Cost: one statement.

        A task that ran out of time has not shown that: its start is marked and stays.
        """
        if not task["success"] and TIMED_OUT in task["result"]:
            cls.objects.filter(models.Q(pk=start)).update(timed_out=True)
            return
        died = models.Q(started_at__lte=Now() - LONGEST_TASK) | models.Q(timed_out=True)
        cls.objects.filter(models.Q(pk=start) | died, key=key_of(task)).delete()


def key_of(task: dict[str, Any]) -> str:
    """What a task is about: the same for every order of the same work."""
    about = f"{task['func']}{task['args']!r}{task.get('kwargs')!r}"
    return hashlib.sha256(about.encode()).hexdigest()
