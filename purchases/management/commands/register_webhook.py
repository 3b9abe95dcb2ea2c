"""`manage.py register_webhook [--url https://…]`."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from luxewin.api.problems import Problem
from luxewin.commands import LongCommand
from purchases import gateway


class Command(LongCommand):
    """Run once after installing, and again after PUBLIC_URL or the handled events changed."""

    help = "Subscribes this installation's webhook at Stripe to the events it handles; safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        """--url."""
        parser.add_argument("--url", default=settings.PUBLIC_URL, help="where Stripe reaches this backend (PUBLIC_URL)")

    def handle(self, *args: Any, url: str, **options: Any) -> None:
        """Print the endpoint's address."""
        try:
            endpoint = gateway.register_webhook(url.rstrip("/"))
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(self.style.SUCCESS(f"Stripe sends its events to {endpoint.url}"))
