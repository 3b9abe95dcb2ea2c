"""Gauges of background work."""

from django.db.models.functions import Now
from django_q.models import OrmQ

from luxewin.metrics import age_of_oldest, register
from luxewin.tasks.models import QUEUE, Heartbeat, StartedTask

DUE = OrmQ.objects.filter(key=QUEUE, lock__lte=Now())

register("tasks_due", "Tasks that wait for a worker.", DUE.count)
register("tasks_due_seconds", "How long the oldest of them has been due.", lambda: age_of_oldest(DUE, "lock"), most=120)
register("tasks_stopped", "Tasks that are not run any more.", lambda: len(StartedTask.objects.stopped()), most=0)
register(
    "workers_alive",
    "Workers through which a task went within half a minute.",
    lambda: Heartbeat.alive().count(),
)
