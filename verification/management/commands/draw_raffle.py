"""`manage.py draw_raffle [ID] [--due] [--signature HEX]`."""

import time
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from luxewin.commands import LongCommand
from raffles import services as raffle_services
from raffles.models import Raffle
from verification.errors import SignatureRefused
from verification.models import Draw
from verification.services import advance_draw, decide_with

FINAL = (Draw.State.SETTLED, Draw.State.VOID)


class Command(LongCommand):
    """Close, freeze, commit and draw by hand what is due, as the workers do."""

    help = "Takes every step that can be taken of one draw, or of all that are due. Changes no outcome."

    def add_arguments(self, parser: CommandParser) -> None:
        """ID, --due, --signature, --wait."""
        parser.add_argument("raffle", nargs="?", help="id or slug of the raffle")
        text = "all draws with a step to take, and those that wait for longer than any draw can"
        parser.add_argument("--due", action="store_true", help=text)
        text = "of the draw's round, for a draw of which no relay serves it: verified, then it decides"
        parser.add_argument("--signature", metavar="HEX", help=text)
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="keep at it for so long")

    def handle(
        self, *args: Any, raffle: str | None, due: bool, signature: str | None, wait: int, **options: Any
    ) -> None:
        """Print each draw's state, and what it waits for."""
        if bool(raffle) == due:
            raise CommandError("Name one raffle, or say --due.")
        if signature and due:
            raise CommandError("A signature decides one draw: name its raffle.")
        keys = _due() if due else [find_draw(raffle or "")]
        deadline = time.monotonic() + wait
        for key in keys:
            raffle_services.close_raffle(key)
            draw = _decide(key, signature) if signature else advance_draw(key)
            while not _is_through(draw) and time.monotonic() < deadline:
                time.sleep(0.5)
                draw = advance_draw(key)
            waiting = f", waiting: {draw.trouble}" if draw.trouble and not _is_through(draw) else ""
            self.stdout.write(f"draw {draw.sequence} of {key}: {draw.state}{waiting}")
        self.stdout.write(self.style.SUCCESS(f"{len(keys)} draw(s) looked at."))


def _due() -> list[UUID]:
    """List draws that wait for a step, and those whose sale is over and was not closed."""
    over = Raffle.objects.due_to_close().values_list("pk", flat=True)
    closed = [key for key in over if raffle_services.close_raffle(key)]
    return list(dict.fromkeys([*closed, *Draw.objects.unfinished().values_list("pk", flat=True)]))


def _decide(key: UUID, signature: str) -> Draw:
    try:
        return decide_with(key, signature_of(signature))
    except SignatureRefused as refused:
        raise CommandError(str(refused)) from refused


def signature_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise CommandError("--signature is not hexadecimal.") from error


def _is_through(draw: Draw) -> bool:
    return draw.state in FINAL or (draw.state == Draw.State.DRAWN and not draw.is_anchored)


def find_draw(text: str) -> UUID:
    try:
        found = Raffle.objects.filter(pk=UUID(text)).first()
    except ValueError:
        found = Raffle.objects.filter(slug=text).first()
    if found is None or not Draw.objects.filter(pk=found.pk).exists():
        raise CommandError(f"{text}: no published raffle has this id or slug.")
    return found.pk
