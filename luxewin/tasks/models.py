"""What background work keeps in the database: claims on due rows, workers' signs of life, and tasks under way."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django_q.models import OrmQ

# So long nothing may go through a worker's queue: then it ends itself, and health says so.
SILENCE = timedelta(seconds=30)
# So long a task may be due before health calls the queue late.
LATE = timedelta(seconds=60)
# A task that began longer ago does not run any more: it was ended, or its worker died.
LONGEST_TASK = timedelta(seconds=settings.Q_CLUSTER["timeout"] + 10)
QUEUE = settings.Q_CLUSTER["name"]


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
                f"{len(stopped)} tasks are stopped, they killed their worker {StartedTask.LIMIT} times each: "
                f"{', '.join(stopped)[:100]}; see `manage.py retry_stopped_tasks`"
            )


class StartedTaskQuerySet(models.QuerySet["StartedTask"]):
    """Tasks that run, and those that killed their worker."""

    def running(self, worker: str) -> "StartedTaskQuerySet":
        """What this worker may be at."""
        return self.filter(worker=worker, started_at__gt=Now() - LONGEST_TASK)

    def has_killed_too_often(self, task: dict[str, Any]) -> bool:
        """Whether a task of the same function and arguments began LIMIT times without an end."""
        return self.filter(key=key_of(task)).count() >= StartedTask.LIMIT

    def stopped(self) -> list[str]:
        """The names of tasks that are not run any more because they killed their worker LIMIT times."""
        began = self.values("key").annotate(began=models.Count("pk"), task=models.Max("name"))
        return list(began.filter(began__gte=StartedTask.LIMIT).order_by("task").values_list("task", flat=True))

    def release(self) -> None:
        """Lets stopped tasks run again, as if they had never begun."""
        began = self.values("key").annotate(began=models.Count("pk"))
        self.filter(key__in=began.filter(began__gte=StartedTask.LIMIT).values("key")).delete()


class StartedTask(models.Model):
    """A start of a task, committed before its work begins and removed when the task ends, also by an exception.

    What stays is of a worker process that died in the middle. A task, which is a function and its arguments, that left
    LIMIT of them is not run any more.
    """

    LIMIT = 5

    key = models.CharField(max_length=64, db_index=True, help_text="SHA-256 of the function and its arguments.")
    name = models.CharField(max_length=100)
    worker = models.CharField(max_length=64)
    started_at = models.DateTimeField(db_default=Now())

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
        """Forgets the start, and earlier ones whose worker died: the task can be done after all. Cost: one DELETE."""
        died = models.Q(started_at__lte=Now() - LONGEST_TASK)
        cls.objects.filter(models.Q(pk=start) | died, key=key_of(task)).delete()


def key_of(task: dict[str, Any]) -> str:
    """What a task is about: the same for every order of the same work."""
    about = f"{task['func']}{task['args']!r}{task.get('kwargs')!r}"
    return hashlib.sha256(about.encode()).hexdigest()
