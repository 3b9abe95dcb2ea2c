"""`manage.py load_catalogue FILE [--publish]`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from luxewin.api.problems import Problem
from luxewin.commands import LongCommand
from luxewin.money import as_text
from raffles import words
from raffles.catalogues import CatalogueError, load_catalogue

SHIPPED = Path(__file__).resolve().parent.parent.parent / "catalogue" / "luxury.json"


class Command(LongCommand):
    """All or nothing: a file with a fault writes no raffle."""

    help = "Loads raffles from a JSON or CSV file as drafts; a slug that exists is left as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, nargs="?", default=SHIPPED, help="JSON or CSV; without it the shipped catalogue"
        )
        parser.add_argument("--publish", action="store_true", help="publish the new raffles right away")

    def handle(self, *args: Any, file: Path, publish: bool, **options: Any) -> None:
        """Print what was written, or every fault."""
        try:
            created, existing = load_catalogue(file, publish=publish)
        except CatalogueError as error:
            raise CommandError("\n".join([f"{file}: {error}", *error.faults])) from error
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
        except Problem as error:
            faults = [f"{fault['field']}: {fault['detail']}" for fault in error.data.get("errors", [])]
            raise CommandError("\n".join([f"{file}: {error.detail}", *faults])) from error
        for raffle in created:
            self.stdout.write(f"{'published' if publish else 'drafted'}  {raffle.slug}")
            price, opens, closes = as_text(raffle.ticket_price, raffle.currency), raffle.opens_at, raffle.closes_at
            self.stdout.write(f"           {price} a ticket, from {words.moment(opens)} until {words.moment(closes)}")
        for slug in existing:
            self.stdout.write(f"exists     {slug}")
        self.stdout.write(self.style.SUCCESS(f"{len(created)} raffles loaded, {len(existing)} existed."))
