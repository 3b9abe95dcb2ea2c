"""`manage.py retry_stopped_tasks`: allow tasks again that killed their worker or timed out too often."""

from typing import Any

from django.core.management.base import CommandParser

from luxewin.commands import LongCommand
from luxewin.tasks.models import StartedTask


class Command(LongCommand):
    """Run it after the cause was fixed. The sweeps enqueue the tasks again."""

    help = "Names the tasks that killed their worker or ran out of time too often, and lets them run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="name them only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per task."""
        stopped = StartedTask.objects.stopped()
        for name in stopped:
            self.stdout.write(name)
        if not options["list"]:
            StartedTask.objects.release()
            self.stdout.write(f"{len(stopped)} may run again.")
