"""`manage.py contract`."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from luxewin.api.contract import files


class Command(BaseCommand):
    """Write docs/openapi.yaml and docs/errors.md from the code; with --check, fail if they are stale."""

    help = "Write the API's OpenAPI document and error catalogue from the code; --check fails if they are stale."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --check."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        """Write or check both."""
        for path, text in files().items():
            if not check:
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                raise CommandError(f"docs/{path.name} is stale: run make contract")
