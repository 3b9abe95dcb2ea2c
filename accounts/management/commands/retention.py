"""`manage.py retention`: remove now what the rules no longer keep."""

from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.models import RetentionRule
from accounts.privacy.retention import REMOVERS
from luxewin.commands import LongCommand


class Command(LongCommand):
    """Print a line for each rule."""

    help = "Removes what the rules of retention do not keep any longer; the worker does so once a day by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only, remove nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Apply each rule as the worker would."""
        for rule in RetentionRule.objects.all():
            count = services.count_due(rule) if dry_run else services.apply_rule(rule.what)
            verb = "due" if dry_run else "removed"
            self.stdout.write(f"{rule.what} ({rule.keep_days} days; {REMOVERS[rule.what].about}): {count} {verb}")
