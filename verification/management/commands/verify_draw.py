"""`manage.py verify_draw ID | URL | bundle.json entries.csv`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from django.core.management.base import CommandError, CommandParser

from luxewin.commands import LongCommand
from verification import proof
from verification.entries import lines
from verification.errors import CommitmentMoves
from verification.management.commands.draw_raffle import find_draw
from verification.models import Draw

VERIFIER = Path(__file__).resolve().parent.parent.parent / "verifier.py"
MOST_BYTES = 512 * 1024 * 1024


class Command(LongCommand):
    """Run `verification/verifier.py`, which shares no code with what made the draw, in its own process."""

    help = "Verifies a draw: one of ours by id or slug, any by the address of its API, or two files."

    def add_arguments(self, parser: CommandParser) -> None:
        """One or two arguments."""
        parser.add_argument(
            "what",
            nargs="+",
            help="raffle id or slug | https://…/api/v1/verification/<raffle> | bundle.json entries.csv",
        )

    def handle(self, *args: Any, what: list[str], **options: Any) -> None:
        """Print each check; exit with code 1 if one fails."""
        if len(what) > 2:
            raise CommandError("Give one id or address, or two files.")
        with tempfile.TemporaryDirectory() as folder:
            bundle, entries = Path(folder, "bundle.json"), Path(folder, "entries.csv")
            if len(what) == 2:
                bundle, entries = Path(what[0]), Path(what[1])
            elif what[0].startswith(("http://", "https://")):
                _download(what[0].rstrip("/"), bundle, entries)
            else:
                _export(what[0], bundle, entries)
            done = subprocess.run(  # noqa: S603 our own verifier
                [sys.executable, "-I", VERIFIER, bundle, entries], check=False, capture_output=True, text=True
            )
        self.stdout.write(done.stdout, ending="")
        self.stderr.write(done.stderr, ending="")
        if done.returncode:
            raise CommandError("The draw is NOT verified.", returncode=done.returncode)


def _export(raffle: str, bundle: Path, entries: Path) -> None:
    draw = Draw.objects.for_display().get(pk=find_draw(raffle))
    if not draw.is_drawn:
        raise CommandError(f"This draw is {draw.state}; there is nothing to verify yet.")
    try:
        bundle.write_text(json.dumps(proof.bundle(draw)))
    except CommitmentMoves as moves:
        raise CommandError(moves.detail) from moves
    with entries.open("w") as file:
        file.writelines(lines(draw.pk))


def _download(address: str, bundle: Path, entries: Path) -> None:
    for path, file in (("bundle", bundle), ("entries.csv", entries)):
        try:
            with (
                httpx.stream("GET", f"{address}/{path}", timeout=30, follow_redirects=True) as response,
                file.open("wb") as sink,
            ):
                response.raise_for_status()
                for size, chunk in enumerate(response.iter_bytes(65_536), start=1):
                    if size * 65_536 > MOST_BYTES:
                        raise CommandError(f"{address}/{path} is larger than {MOST_BYTES} bytes.")
                    sink.write(chunk)
        except httpx.HTTPError as error:
            raise CommandError(f"{address}/{path}: {error}") from error
