"""`manage.py novu_sync [--check]`: our workflows at Novu."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.novu import workflows
from accounts.novu.client import NovuFailed


class Command(BaseCommand):
    """Create what is missing, and print what is wrong; fails if anything is left that tells nobody."""

    help = "Creates our missing workflows at Novu, and says which are inactive, faulty or without steps."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only compare, create nothing")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        """Compare; what staff have switched off at Novu is reported, not switched on."""
        if not settings.NOVU_SECRET_KEY:
            raise CommandError("NOVU_SECRET_KEY is not set: Novu is not used.")
        try:
            created = [] if check else workflows.create_missing()
            left = workflows.compare()
        except NovuFailed as failure:
            raise CommandError(str(failure)) from failure
        for name in created:
            self.stdout.write(f"{name}: created")
        for name, fault in left.items():
            self.stdout.write(f"{name}: {fault}")
        if left:
            raise CommandError(f"{len(left)} of {len(workflows.workflows())} workflows tell nobody.")
        self.stdout.write(f"All {len(workflows.workflows())} workflows are active at {settings.NOVU_API_URL}.")
