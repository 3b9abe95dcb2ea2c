"""Sweeps: they find due work, and resume work that a crash or a lost task dropped."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from time import monotonic
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from luxewin.tasks.queue import enqueue

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweep:
    """A function and the seconds between its calls."""

    run: Callable[[], Any]
    every: float
    due_at: float = field(default=0.0)


SWEEPS: list[Sweep] = []


def sweep(*, every: float) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a function of no arguments that the timer calls every `every` seconds.

    It must be cheap (one indexed query), and safe to run in several workers at once: it only enqueues tasks.
    """

    def register(run: Callable[[], Any]) -> Callable[[], Any]:
        SWEEPS.append(Sweep(run, every))
        return run

    return register


def run_due_sweeps(after_each: Callable[[], object] = lambda: None) -> None:
    """Call each due sweep, and `after_each` of them.

    A failing one is logged and tried again; it never stops the others. Raise django.db.Error if the database is away:
    then none can run.
    """
    for entry in SWEEPS:
        if monotonic() < entry.due_at:
            continue
        entry.due_at = monotonic() + entry.every
        try:
            entry.run()
        except Exception as error:
            if isinstance(error, Error) and not connection.is_usable():
                entry.due_at = 0.0
                raise
            log.exception("sweep %s failed, it runs again in %s s", entry.run.__name__, entry.every)
        after_each()


def enqueue_due(
    due: QuerySet[Any], task: Callable[..., Any], *, lease: timedelta, limit: int = 200, at_once: int = 1
) -> int:
    """Enqueue `task(str(pk), …)` for unclaimed rows of `due`, `at_once` rows a task, and claim them for `lease`.

    If the task is lost or dies, the claim expires and a later sweep enqueues it again; the task clears the claim when
    it is through. `due` must be of a `Claimable` model. Return how many rows were claimed. Cost: two statements and one
    INSERT a task.
    """
    with transaction.atomic():
        free = due.filter(Q(claimed_until=None) | Q(claimed_until__lte=Now()))
        keys = list(
            free.select_for_update(skip_locked=True, no_key=True, of=("self",)).values_list("pk", flat=True)[:limit]
        )
        if keys:
            due.model.objects.filter(pk__in=keys).update(claimed_until=Now() + lease)
        for part in batched(keys, at_once):
            enqueue(task, *map(str, part), is_swept=True)
    return len(keys)
