"""`manage.py reconcile [--since 2026-11-01 | --since 24h] [--dry-run]`."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime

from luxewin.clock import database_now
from luxewin.commands import LongCommand
from purchases import services
from purchases.errors import ProviderUnavailable
from purchases.services.reconciliation.stretches import Stretches

STRETCH = timedelta(hours=1)
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Command(LongCommand):
    """Run it whenever in doubt; a worker runs the same every day."""

    help = (
        "Compares our books with Stripe in both directions and prints every difference; what a missed webhook left is"
        " repaired, what needs a person is flagged for finance. Exit code 1 if a difference remains."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--since, --dry-run."""
        parser.add_argument(
            "--since",
            default="48h",
            help="a day (UTC), a time with offset, or how long ago: 30m, 48h, 7d (default 48h)",
        )
        parser.add_argument("--dry-run", action="store_true", help="print only, repair and flag nothing")

    def handle(self, *args: Any, since: str, dry_run: bool, **options: Any) -> None:
        """Print a line for each difference, then the sums."""
        # Stripe counts in whole seconds: include this one.
        start, end = moment(since), database_now() + timedelta(seconds=1)
        if start >= end:
            raise CommandError("--since lies in the future.")
        comparison = services.Comparison(repair=not dry_run)
        repaired = remaining = 0
        for difference in services.unsettled(_differences(comparison, start, end)):
            self.stdout.write(str(difference))
            repaired, remaining = repaired + difference.repaired, remaining + (not difference.repaired)
        looked = f"{comparison.compared} objects since {start:%Y-%m-%d %H:%M} UTC compared"
        self.stdout.write(f"{looked}: {repaired} differences repaired, {remaining} remain")
        if remaining:
            raise CommandError("Our books and Stripe differ.")


def _differences(comparison: services.Comparison, start: datetime, end: datetime) -> Iterator[services.Difference]:
    """Yield differences stretch by stretch, so that each is printed at once."""
    stretches = Stretches(start, end, STRETCH)
    found: list[services.Difference] = []

    def visit(begin: datetime, stop: datetime) -> int:
        before = comparison.compared
        found.extend(comparison.between(begin, stop))
        return comparison.compared - before

    try:
        while stretches.walk(visit):
            yield from found
            found.clear()
        yield from comparison.unfinished(start)
    except ProviderUnavailable as error:
        raise CommandError(f"{error.detail} Compared until {stretches.at}.") from error
    yield from services.faults_of_the_books()


def moment(text: str) -> datetime:
    """Parse `48h`, `2026-11-01` (a day in UTC) or `2026-11-01T12:00+01:00`. Raises CommandError."""
    if ago := re.fullmatch(r"([0-9]{1,5})([mhd])", text):
        return database_now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        if day := parse_date(text):
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        raise CommandError(f"{text!r} is neither a date, nor a time, nor how long ago (30m, 48h, 7d).")
    if at.tzinfo is None:
        raise CommandError(f"Give the offset of {text} from UTC: {text}Z, or {text}+01:00.")
    return at
