"""Background work in the back office, read-only: editing a schedule would let staff run any function of the host."""

from typing import Any

from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success

from luxewin.admin import ReadOnlyAdmin
from luxewin.desk import concern
from luxewin.tasks.models import Heartbeat, StartedTask


class TaskAdmin(ReadOnlyAdmin):
    """A task that ran."""

    list_display = ["name", "func", "started", "stopped", "success", "attempt_count"]
    search_fields = ["name", "func"]
    # The result of a failure is its traceback; arguments are ids.
    fields = ["name", "func", "args", "started", "stopped", "success", "attempt_count", "result"]


class QueueAdmin(ReadOnlyAdmin):
    """A task that waits or runs."""

    list_display = ["id", "name", "func", "lock"]
    fields = ["key", "lock"]


class ScheduleAdmin(ReadOnlyAdmin):
    """A recurring task."""

    list_display = ["name", "func", "schedule_type", "next_run", "repeats"]


class HeartbeatAdmin(ReadOnlyAdmin):
    """A worker; one without a heartbeat for half a minute hangs, or is gone."""

    list_display = ["name", "last_task"]
    fields = ["name", "at"]
    ordering = ["-at"]

    @admin.display(description="last task done at", ordering="at")
    def last_task(self, row: Heartbeat) -> Any:
        """Return when its last task went through."""
        return row.at


class StartedTaskAdmin(ReadOnlyAdmin):
    """A start without an end: the task runs, or took too long, or its worker died."""

    list_display = ["name", "worker", "started_at", "timed_out"]
    fields = ["name", "worker", "started_at", "timed_out", "key"]
    search_fields = ["name"]
    ordering = ["-started_at"]


concern("task that failed", "tasks that failed", "django_q.failure")
admin.site.register(Heartbeat, HeartbeatAdmin)
admin.site.register(StartedTask, StartedTaskAdmin)
for model, model_admin in ((Success, TaskAdmin), (Failure, TaskAdmin), (OrmQ, QueueAdmin), (Schedule, ScheduleAdmin)):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    admin.site.register(model, model_admin)
