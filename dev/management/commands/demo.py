"""`manage.py demo [--once] [--report DIR] [--port N]`: a raffle from the first ticket to the verified draw."""

import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dev.demo.cast import DELAY_SECONDS, HOLD_SECONDS
from dev.demo.invariants import examine
from dev.demo.ledger import Ledger
from dev.demo.report import Report
from dev.demo.story import TROUBLES, Story
from dev.launch import STATE
from dev.stack import Stack, wait_for_the_end

ENVIRONMENT = {
    "HOLD_SECONDS": str(HOLD_SECONDS),
    "DRAW_DELAY_SECONDS": str(DELAY_SECONDS),
    # Everyone is on this machine; the demo acts as the proxy that reports their addresses, so that the limits apply.
    "TRUSTED_PROXIES": "1",
}
BEACON_PERIOD = "1"


class Command(BaseCommand):
    """Tell the story on separate parts, in `.dev/demo` or where LUXEWIN_STATE says."""

    help = "Lets 26 people buy, pay and win over HTTP, checks the books, and stays up to be looked at."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """--once, --report, --port."""
        parser.add_argument(
            "--once", action="store_true", help="end after the table; exit 0 only if every invariant held"
        )
        parser.add_argument(
            "--report", type=Path, metavar="DIR", help="write report.json, bundles and entries files there"
        )
        parser.add_argument("--port", type=int, default=0, help="of the server (any free one)")

    def handle(self, *args: Any, once: bool, report: Path | None, port: int, **options: Any) -> None:
        """Tell the story; exit with code 1 if an invariant does not hold."""
        from dev import services

        if real := {"stripe", "mail"} - set(services.unset_services()):
            variables = ", ".join(variable for name in sorted(real) for variable in services.SERVICES[name].variables)
            raise CommandError(f"The demo pays with test cards and reads everybody's mail; unset {variables}.")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.started = time.monotonic()
        try:
            held = self._play(once, report, port)
        except TROUBLES as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nEverything is stopped.")
            sys.exit(130)
        if not held:
            raise CommandError("not every invariant held")

    def _play(self, once: bool, report: Path | None, port: int) -> bool:
        os.environ.setdefault("PARTS_BEACON_PERIOD", BEACON_PERIOD)
        state = Path(os.environ.get("LUXEWIN_STATE") or STATE / "demo")
        self._say("starting PostgreSQL, Valkey, Stripe stand-in, chain, beacon, mail catcher, server and worker")
        with Stack(state, port=port, fresh=True, web_processes=2, environment=ENVIRONMENT) as stack:
            self._say("all parts answer: " + ", ".join(f"{name} {cost:.1f} s" for name, cost in stack.seconds.items()))
            outcome = self._tell(stack, report)
            self.stdout.write(f"\n{outcome.as_text()}\n\n{stack.summary()}\n")
            if not once:
                self.stdout.write("All of this stays up until Ctrl-C.")
                wait_for_the_end(stack, self._say)
        return outcome.holds

    def _tell(self, stack: Stack, folder: Path | None) -> Report:
        with ExitStack() as open_:
            http = open_.enter_context(httpx.Client(timeout=30))
            place = folder or Path(open_.enter_context(tempfile.TemporaryDirectory()))
            place.mkdir(parents=True, exist_ok=True)
            for old in (*place.glob("*-*-*-*-*.bundle.json"), *place.glob("*-*-*-*-*.entries.csv")):
                old.unlink()  # from an earlier run, so that they do not pass for this one's
            story = Story(stack, http, self._say)
            story.tell()
            checking = time.monotonic()
            ledger = Ledger.of(story, place)
            faults = examine(ledger)
            costs = stack.seconds | story.seconds | {"books": time.monotonic() - checking}
            outcome = Report(ledger, faults, costs | {"total": time.monotonic() - self.started})
            if folder:
                outcome.write(folder)
        return outcome

    def _say(self, text: str) -> None:
        self.stdout.write(f"{time.monotonic() - self.started:6.1f} s  {text}")
        self.stdout.flush()
