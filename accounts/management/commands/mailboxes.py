"""`manage.py mailboxes [--resolve]`: accounts that share a mailbox with another, and so cannot buy."""

from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.addresses import mailbox_key
from accounts.models import User
from luxewin.commands import LongCommand


class Command(LongCommand):
    """Print a line for each such account. People decide which one stays: ask the mailbox's owner."""

    help = "Lists accounts that share a mailbox with another and so cannot buy."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--resolve", action="store_true", help="give a mailbox to each account whose mailbox nobody has any more"
        )

    def handle(self, *args: Any, resolve: bool, **options: Any) -> None:
        """Print which account has each one's mailbox."""
        for user in User.objects.filter(mailbox=None).order_by("joined_at"):
            if resolve and services.give_mailbox(user):
                self.stdout.write(f"{user.pk} {user.email}: has its mailbox now, and can buy")
                continue
            keeper = User.objects.filter(mailbox=mailbox_key(user.email)).first()
            whose = f"the mailbox is with {keeper.pk} {keeper.email}" if keeper else "the mailbox is free: --resolve"
            self.stdout.write(f"{user.pk} {user.email}: {whose}")
