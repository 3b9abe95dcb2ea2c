"""Enqueueing. The queue is a table of the same database: a task exists exactly if its transaction commits."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task


def enqueue(task: Callable[..., Any], *arguments: Any) -> None:
    """Has a worker call `task(*arguments)` after the caller's transaction commits; never if it rolls back.

    `task` is a module-level function. It runs at least once: it must be idempotent and claim its row itself.
    Arguments are ids and plain values, never model instances. Cost: one INSERT.
    """
    path = f"{task.__module__}.{task.__qualname__}"
    async_task(path, *arguments, task_name=f"{task.__qualname__}{arguments}"[:100], group=path[:100])


def is_work_waiting() -> bool:
    """Whether a task waits that no worker has fetched: who can be put off gives way to it. Cost: one query."""
    return OrmQ.objects.filter(lock__lte=timezone.now()).exists()
