"""`manage.py postal_entries FILE --raffle SLUG --by EMAIL [--check]`."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from luxewin.commands import LongCommand
from purchases import postal_files
from raffles.models import Raffle


class Command(LongCommand):
    """All or nothing: a file with a fault writes no entry."""

    help = "Enters the free entries of a CSV file (reference, email, quantity, received_on) into a raffle."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE, --raffle, --by and --check."""
        parser.add_argument("file", type=Path, help="CSV in UTF-8")
        parser.add_argument("--raffle", required=True, help="the raffle's slug")
        parser.add_argument("--by", required=True, help="the e-mail address of the member of staff who enters them")
        parser.add_argument("--check", action="store_true", help="only name the faults, write nothing")

    def handle(self, *args: Any, file: Path, raffle: str, by: str, check: bool, **options: Any) -> None:
        """Print what was entered, or every fault."""
        into, actor = _raffle(raffle), _actor(by)
        work = postal_files.read_letters if check else postal_files.load_letters
        try:
            rows = work(_content(file), raffle=into, actor=actor)
        except postal_files.PostalFileError as error:
            raise CommandError("\n".join([f"{file}: {error}", *error.faults])) from error
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
        tickets = sum(row.quantity for row in rows)
        done = "could be entered, nothing was written" if check else "entered"
        self.stdout.write(self.style.SUCCESS(f"{len(rows)} letters for {tickets} tickets {done}."))


def _content(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(postal_files.MAX_BYTES + 1)


def _raffle(slug: str) -> Raffle:
    raffle = Raffle.objects.public().with_phase().select_related("counter").filter(slug=slug).first()
    if raffle is None:
        raise CommandError(f"There is no published raffle {slug}.")
    return raffle


def _actor(email: str) -> User:
    user = User.objects.filter(email=email, is_active=True, is_staff=True).first()
    if user is None or not user.has_perm("purchases.add_postalentry"):
        raise CommandError(f"{email} is nobody who may enter free entries.")
    return user
