"""The task queue, a table of the same database: a task exists exactly if its transaction commits."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.tasks import async_task


def enqueue(task: Callable[..., Any], *arguments: Any, is_swept: bool = False) -> None:
    """Have a worker call `task(*arguments)` after the caller's transaction commits; never if it rolls back.

    `task` is a module-level function. It runs at least once: it must be idempotent and claim its row itself. Arguments
    are ids and plain values, never model instances. A task that raises is tried again after Q_CLUSTER's `retry`, up to
    `max_attempts` times; if it `is_swept`, a sweep enqueues it anew instead. Cost: one INSERT.
    """
    path = f"{task.__module__}.{task.__qualname__}"
    name = f"{task.__qualname__}{arguments}"[:100]
    async_task(path, *arguments, task_name=name, group=path[:100], ack_failure=is_swept)


def is_work_waiting() -> bool:
    """Whether a task waits that no worker has fetched; postponable work lets it go first. Cost: one query."""
    return waiting_tasks(1) > 0


def waiting_tasks(most: int) -> int:
    """Return how many tasks wait that no worker has fetched, counted up to `most`. Cost: one query."""
    return OrmQ.objects.filter(key=settings.Q_CLUSTER["name"], lock__lte=Now())[:most].count()
