"""Background work as a Django app."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Label `tasks`."""

    name = "luxewin.tasks"
    verbose_name = "Background work"

    def ready(self) -> None:
        """Register the system check, the gauges and the worker's health probe; carry ids of requests to workers."""
        from luxewin.health import register
        from luxewin.tasks import checks, metrics, origin  # noqa: F401 register themselves
        from luxewin.tasks.models import Heartbeat

        origin.connect()
        register("worker", Heartbeat.probe)
