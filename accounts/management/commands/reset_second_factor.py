"""`manage.py reset_second_factor EMAIL`: for somebody who lost phone and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from accounts import services
from accounts.models import User


class Command(BaseCommand):
    """Whoever may run it has made sure by other means that it is this person who asks."""

    help = "Takes somebody's second factor away, signs them out everywhere and mails them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One person."""
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Audited like everything that changes who may do what."""
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}.")
        if not services.reset_second_factor(user):
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"{user.email} has no second factor any more, is signed out everywhere and was mailed.")
