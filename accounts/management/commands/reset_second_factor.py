"""`manage.py reset_second_factor EMAIL`: for a person who lost phone and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from accounts import services
from accounts.models import User


class Command(BaseCommand):
    """First make sure by other means that this person is asking."""

    help = "Takes somebody's second factor away, signs them out everywhere and mails them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Audited, like every change of access."""
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}.")
        if not services.reset_second_factor(user):
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"{user.email} has no second factor any more, is signed out everywhere and was mailed.")
