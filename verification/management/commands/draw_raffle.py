"""`manage.py draw_raffle [ID] [--due]`."""

import time
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from raffles import services as raffle_services
from raffles.models import Raffle
from verification.models import Draw
from verification.services import advance_draw

FINAL = (Draw.State.SETTLED, Draw.State.VOID)


class Command(BaseCommand):
    """What the workers do by themselves, by hand: closes, freezes, commits and draws what is due."""

    help = "Takes every step that can be taken of one draw, or of all that are due. Changes no outcome."

    def add_arguments(self, parser: CommandParser) -> None:
        """ID, --due, --wait."""
        parser.add_argument("raffle", nargs="?", help="id or slug of the raffle")
        parser.add_argument("--due", action="store_true", help="all draws with a step to take")
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="keep at it for so long")

    def handle(self, *args: Any, raffle: str | None, due: bool, wait: int, **options: Any) -> None:
        """Prints each draw's state, and what it waits for."""
        if bool(raffle) == due:
            raise CommandError("Name one raffle, or say --due.")
        keys = list(Draw.objects.unfinished().values_list("pk", flat=True)) if due else [find_draw(raffle or "")]
        deadline = time.monotonic() + wait
        for key in keys:
            raffle_services.close_raffle(key)
            draw = advance_draw(key)
            while not _is_through(draw) and time.monotonic() < deadline:
                time.sleep(0.5)
                draw = advance_draw(key)
            waiting = f", waiting: {draw.trouble}" if draw.trouble and not _is_through(draw) else ""
            self.stdout.write(f"draw {draw.sequence} of {key}: {draw.state}{waiting}")
        self.stdout.write(self.style.SUCCESS(f"{len(keys)} draw(s) looked at."))


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
