"""Background work as a Django app."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Label `tasks`."""

    name = "luxewin.tasks"
    verbose_name = "Background work"

    def ready(self) -> None:
        """Register the system check and the worker's health probe."""
        from luxewin.health import register
        from luxewin.tasks import checks  # noqa: F401 registers itself
        from luxewin.tasks.models import Heartbeat

        register("worker", Heartbeat.probe)
