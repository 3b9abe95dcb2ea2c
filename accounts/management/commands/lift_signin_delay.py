"""`manage.py lift_signin_delay EMAIL`: end the delay after too many wrong passwords or codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from accounts import throttle
from accounts.models import User


class Command(BaseCommand):
    """First make sure by other means that the attempts were this person's own, or are over."""

    help = "Lets somebody try to sign in again at once: what was counted of wrong passwords and codes is forgotten."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Audited, also because it gives a guesser new attempts."""
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}.")
        if not (lifted := throttle.lift_delay(user)):
            raise CommandError(f"Nothing is counted against {user.email}: they need not wait.")
        self.stdout.write(f"{user.email} can try again at once; forgotten are wrong {' and '.join(lifted)}.")
