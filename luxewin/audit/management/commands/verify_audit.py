"""`manage.py verify_audit`: check that the audit is as it was written, or name the first row or seal that is not."""

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management import CommandError

from luxewin.audit.verifying import Fault, Verified, verify_audit
from luxewin.commands import LongCommand

HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def _head(text: str) -> tuple[int, str]:
    found = HEAD.fullmatch(text.strip().lower())
    if not found:
        raise ArgumentTypeError("a head is NUMBER:DIGEST, as this command prints it")
    return int(found[1]), found[2]


class Command(LongCommand):
    """Exit with 1 at the first fault. Only reads: a replica of the database will do."""

    help = "Verifies the chain over the audit, and names the first row or seal that is not as it was sealed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            type=_head,
            action="append",
            default=[],
            metavar="NUMBER:DIGEST",
            help="a head that was noted before: everything up to it must be as it was then; may be given again",
        )
        parser.add_argument(
            "--max-wait",
            type=int,
            default=600,
            metavar="SECONDS",
            help="how long a row may wait for its seal (600)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, head: list[tuple[int, str]], max_wait: int, json: bool, **options: Any) -> None:
        """Print what was verified, with the head to note down."""
        try:
            seen = verify_audit(heads=dict(head), max_wait=timedelta(seconds=max_wait))
        except Fault as fault:
            if json:
                self.stdout.write(_of_fault(fault))
                raise SystemExit(1) from fault
            raise CommandError(f"{fault.wrong}: {fault}") from fault
        self.stdout.write(_of(seen) if json else _told(seen))


def _told(seen: Verified) -> str:
    lines = [f"{seen.rows} rows in {seen.seals} seals are as they were sealed."]
    if seen.seals:
        lines.append(f"The head to note: {seen.seals}:{seen.head}")
    if seen.unsealed:
        lines.append(f"{seen.unsealed} newer rows wait for their seal, the oldest for {seen.waiting:.0f} s.")
    return "\n".join(lines)


def _of(seen: Verified) -> str:
    found = {"rows": seen.rows, "seals": seen.seals, "head": f"{seen.seals}:{seen.head}"}
    return json.dumps({"ok": True, **found, "unsealed": seen.unsealed, "waiting_seconds": round(seen.waiting)})


def _of_fault(fault: Fault) -> str:
    return json.dumps({"ok": False, "wrong": fault.wrong, "row": fault.row, "seal": fault.seal, "detail": str(fault)})
