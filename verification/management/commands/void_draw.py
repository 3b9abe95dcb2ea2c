"""`manage.py void_draw ID --reason "…" --by EMAIL`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from luxewin.api.problems import InvalidInput, Problem
from luxewin.commands import LongCommand
from verification.management.commands.draw_raffle import find_draw
from verification.services import declare_void


class Command(LongCommand):
    """Only for a draw whose round is long overdue. No role includes the permission: a person gets it by name."""

    help = "Declares in public that a draw whose round never appeared will be void. If it appears before, it decides."

    def add_arguments(self, parser: CommandParser) -> None:
        """ID, --reason, --by."""
        parser.add_argument("raffle", help="id or slug of the raffle")
        parser.add_argument("--reason", required=True, help="public; everyone is told it with their refund")
        parser.add_argument("--by", required=True, help="e-mail address of who declares it, for the audit")

    def handle(self, *args: Any, raffle: str, reason: str, by: str, **options: Any) -> None:
        """Print when the draw can become void, which the workers then do."""
        try:
            draw = declare_void(find_draw(raffle), reason=reason, actor=_actor(by))
        except InvalidInput as problem:
            raise CommandError(problem.data["errors"][0]["detail"]) from problem
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        text = f"Draw {draw.sequence} of {draw.raffle} is void from {draw.void_at:%Y-%m-%d %H:%M:%S} UTC on"
        self.stdout.write(self.style.SUCCESS(f"{text}, unless round {draw.round} appears before."))


def _actor(email: str) -> User:
    user = User.objects.filter(email=email, is_active=True, is_staff=True).first()
    if user is None or not user.has_perm("verification.declare_void"):
        raise CommandError(f"{email} is nobody who may declare a draw void (verification.declare_void).")
    return user
