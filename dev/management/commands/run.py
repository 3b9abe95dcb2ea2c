"""`manage.py run [--port N] [--fresh]`: starts everything for daily work."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dev.launch import state_dir
from dev.stack import Stack, wait_for_the_end


class Command(BaseCommand):
    """Parts, server with reload and worker; one Ctrl-C or SIGTERM ends them all."""

    help = "Starts the embedded services, the server (reloading on change) and a worker."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """--port, --fresh."""
        parser.add_argument("--port", type=int, default=8000, help="of the server (8000)")
        parser.add_argument(
            "--fresh", action=argparse.BooleanOptionalAction, default=False, help="forget all data first"
        )

    def handle(self, *args: Any, port: int, fresh: bool, **options: Any) -> None:
        """Print where everything is, and wait."""
        from dev import services

        try:
            with Stack(state_dir(), port=port, reload=True, fresh=fresh) as stack:
                self.stdout.write(stack.summary())
                wait_for_the_end(stack, self.stderr.write)
        except services.ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Everything is stopped.")
