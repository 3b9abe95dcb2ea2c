"""`manage.py verify_draw ID | URL | bundle.json entries.csv [log.csv]`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from luxewin.commands import LongCommand
from verification import proof
from verification.entries import lines as entries_lines
from verification.errors import CommitmentMoves
from verification.log_file import log_lines
from verification.management.commands.draw_raffle import find_draw
from verification.models import Draw
from verification.services.log import size_of

VERIFIER = Path(__file__).resolve().parent.parent.parent / "verifier.py"
MOST_BYTES = 2 * 1024**3
NAMES = ("bundle.json", "entries.csv", "log.csv")
# What the verifier ends with.
VERIFIED, CONSISTENT = 0, 3


class Command(LongCommand):
    """Run `verification/verifier.py`, which shares no code with what made the draw, in its own process."""

    help = "Verifies a draw: one of ours by id or slug, any by the address of its API, or its files."

    def add_arguments(self, parser: CommandParser) -> None:
        """One to three arguments, and the verifier's own options."""
        parser.add_argument(
            "what",
            nargs="+",
            help="raffle id or slug | https://…/api/v1/verification/<raffle> | bundle.json entries.csv [log.csv]",
        )
        parser.add_argument(
            "--rpc", nargs="+", default=[], help="nodes to ask about the chain; for a draw of ours by default our own"
        )
        for name, text in (("beacon", "accept this beacon"), ("head", "a signed head of the log")):
            parser.add_argument(f"--{name}", metavar="FILE", help=text)
        parser.add_argument("--receipt", nargs="+", default=[], metavar="FILE", help="receipts to look up")

    def handle(self, *args: Any, what: list[str], rpc: list[str], receipt: list[str], **options: Any) -> None:
        """Print each check; exit with the verifier's code if one fails, or the files cannot be judged."""
        if len(what) > len(NAMES):
            raise CommandError("Give one id or address, or two or three files.")
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in NAMES]
            if len(what) > 1:
                files = [Path(name) for name in what]
            elif what[0].startswith(("http://", "https://")):
                _download(what[0].rstrip("/"), files)
            else:
                _export(what[0], files)
                rpc = rpc or settings.CHAIN_RPC_URLS
            chosen = [f"--{name}={options[name]}" for name in ("beacon", "head") if options[name]]
            chosen += [
                word for name, words in (("--rpc", rpc), ("--receipt", receipt)) for word in (name, *words) if words
            ]
            done = subprocess.run(  # noqa: S603 our own verifier
                [sys.executable, "-I", VERIFIER, *files, *chosen], check=False, capture_output=True, text=True
            )
        self.stdout.write(done.stdout, ending="")
        self.stderr.write(done.stderr, ending="")
        if done.returncode not in (VERIFIED, CONSISTENT):
            raise CommandError("The draw is NOT verified.", returncode=done.returncode)


def _export(raffle: str, files: Sequence[Path]) -> None:
    draw = Draw.objects.for_display().get(pk=find_draw(raffle))
    if not draw.is_published:
        raise CommandError(f"This draw is {draw.state}; there is nothing to verify yet.")
    bundle, entries, log = files
    try:
        bundle.write_text(json.dumps(proof.bundle(draw)))
    except CommitmentMoves as moves:
        raise CommandError(moves.detail) from moves
    for file, lines in ((entries, entries_lines(draw.pk)), (log, log_lines(draw.pk, size_of(draw.pk)))):
        with file.open("w") as sink:
            sink.writelines(lines)


def _download(address: str, files: Sequence[Path]) -> None:
    for path, file in zip(("bundle", "entries.csv", "log"), files, strict=True):
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
