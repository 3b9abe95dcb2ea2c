"""`manage.py replay_webhooks [--since …] [--type …] [--id evt_…]`."""

import logging
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from luxewin.commands import LongCommand
from purchases import services
from purchases.management.commands.reconcile import moment

log = logging.getLogger(__name__)


class Command(LongCommand):
    """Harmless at any time: each event has its object fetched again; if all is well nothing changes."""

    help = "Processes stored events of Stripe again, oldest first."

    def add_arguments(self, parser: CommandParser) -> None:
        """--since, --type, --id."""
        parser.add_argument(
            "--since", help="events since a day (UTC), a time with offset, or how long ago: 30m, 48h, 7d"
        )
        parser.add_argument("--type", help="events of this type only, for example payment_intent.succeeded")
        parser.add_argument("--id", help="this event only")

    def handle(self, *args: Any, since: str | None, type: str | None, id: str | None, **options: Any) -> None:  # noqa: A002 the options' names
        """Print how many of each type; exit with code 1 if one could not be processed."""
        processed: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        events = services.stored_events(since=moment(since) if since else None, kind=type, event_id=id)
        for event in events:
            try:
                services.replay_event(event)
            except Exception:
                log.exception("event %s (%s) cannot be processed", event.id, event.type)
                failed[event.type] += 1
            else:
                processed[event.type] += 1
        for name in sorted({*processed, *failed}):
            self.stdout.write(f"{name}: {processed[name]} processed, {failed[name]} failed")
        if not processed and not failed:
            self.stdout.write("No stored event fits.")
        if failed:
            raise CommandError(f"{failed.total()} events could not be processed.")
