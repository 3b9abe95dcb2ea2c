"""`manage.py sales {show,stop,resume} [--reason TEXT] [--by EMAIL]`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from luxewin.api.problems import Problem
from luxewin.lines import validate_one_line
from raffles import sale_stops
from raffles.models import MAX_REASON

PERMISSIONS = {"stop": "raffles.add_salestop", "resume": "raffles.change_salestop"}


class Command(BaseCommand):
    """What is held stays payable; closing times and draws stay as they are."""

    help = "Stops the sale of all raffles, resumes it, or shows whether it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, --reason and --by."""
        parser.add_argument("what", choices=["show", "stop", "resume"])
        parser.add_argument("--reason", default="", help="to stop: public, at most 200 characters")
        parser.add_argument("--by", default="", help="to stop or resume: your address as a member of staff")

    def handle(self, *args: Any, what: str, reason: str, by: str, **options: Any) -> None:
        """Do it, and print whether sales are stopped."""
        try:
            if what == "stop":
                sale_stops.stop_sales(reason=_reason(reason), actor=_actor(by, what))
            elif what == "resume":
                sale_stops.resume_sales(actor=_actor(by, what))
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        stop = sale_stops.running_stop()
        self.stdout.write(f"Stopped since {stop.started_at:%Y-%m-%d %H:%M} UTC: {stop.reason}" if stop else "On sale.")


def _reason(text: str) -> str:
    if not 1 <= len(text.strip()) <= MAX_REASON:
        raise CommandError(f"Give --reason, of at most {MAX_REASON} characters: buyers are told.")
    try:
        validate_one_line(text)
    except ValidationError as error:
        raise CommandError(f"--reason: {error.message}") from error
    return text.strip()


def _actor(email: str, what: str) -> User:
    user = User.objects.filter(email=email, is_active=True, is_staff=True).first()
    if user is None or not user.has_perm(PERMISSIONS[what]):
        fault = f"; {email} may not" if email else ""
        raise CommandError(f"Give --by, the address of somebody who may {what} sales{fault}.")
    return user
