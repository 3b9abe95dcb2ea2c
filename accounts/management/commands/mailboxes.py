"""`manage.py mailboxes [--resolve]`: accounts that share a mailbox with another, and so cannot buy."""

from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.addresses import mailbox_key
from accounts.models import User
from luxewin.commands import LongCommand


class Command(LongCommand):
    """A line for each such account. Which of two stays is for people to decide: ask whoever reads the mailbox."""

    help = "Lists accounts that share a mailbox with another and so cannot buy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One switch."""
        parser.add_argument(
            "--resolve", action="store_true", help="give a mailbox to each account whose mailbox nobody has any more"
        )

    def handle(self, *args: Any, resolve: bool, **options: Any) -> None:
        """Says of each which account has its mailbox."""
        for user in User.objects.filter(mailbox=None).order_by("joined_at"):
            if resolve and services.give_mailbox(user):
                self.stdout.write(f"{user.pk} {user.email}: has its mailbox now, and can buy")
                continue
            keeper = User.objects.filter(mailbox=mailbox_key(user.email)).first()
            whose = f"the mailbox is with {keeper.pk} {keeper.email}" if keeper else "the mailbox is free: --resolve"
            self.stdout.write(f"{user.pk} {user.email}: {whose}")
