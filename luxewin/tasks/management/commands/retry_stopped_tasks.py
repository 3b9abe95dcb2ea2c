"""`manage.py retry_stopped_tasks`: lets tasks run again that killed their worker too often."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from luxewin.tasks.models import StartedTask


class Command(BaseCommand):
    """After what killed the worker was repaired. The sweeps enqueue the tasks again."""

    help = f"Names the tasks that killed their worker {StartedTask.LIMIT} times, and lets them run again."

    def add_arguments(self, parser: CommandParser) -> None:
        """--list."""
        parser.add_argument("--list", action="store_true", help="name them only")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per task."""
        stopped = StartedTask.objects.stopped()
        for name in stopped:
            self.stdout.write(name)
        if not options["list"]:
            StartedTask.objects.release()
            self.stdout.write(f"{len(stopped)} may run again.")
