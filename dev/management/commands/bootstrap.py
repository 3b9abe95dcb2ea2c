"""`manage.py bootstrap`: prepares an embedded installation before it can serve."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dev.schema import prepare_database
from luxewin.environment import DEVELOPMENT


class Command(BaseCommand):
    """Safe to repeat. In production run its steps one by one, as the README says."""

    help = "Development only: schema, superuser, contract and webhook of the embedded services."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """--staff-email, --embedded, --fresh; the password comes in LUXEWIN_STAFF_PASSWORD."""
        parser.add_argument("--staff-email", default="admin@luxewin.example")
        parser.add_argument("--embedded", action="store_true", help="the database is ours to replace")
        parser.add_argument("--fresh", action="store_true", help="empty the embedded database first")

    def handle(self, *args: Any, staff_email: str, embedded: bool, fresh: bool, **options: Any) -> None:
        """Run the steps; each prints what it did."""
        if settings.LUXEWIN_ENV != DEVELOPMENT:
            raise CommandError("bootstrap is for development; see the README for production.")
        if fresh and not embedded:
            raise CommandError("Only an embedded database is emptied.")
        if embedded:
            prepare_database(fresh=fresh)
        else:
            # A person's own database, named by DATABASE_URL, is only migrated.
            call_command("migrate", verbosity=0)
        from accounts.models import User

        if not User.objects.filter(email=staff_email).exists():
            User.objects.create_superuser(staff_email, os.environ["LUXEWIN_STAFF_PASSWORD"], display_name="Operator")
        if settings.CHAIN_RPC_URLS:
            call_command("deploy_contract", stdout=self.stdout)
        call_command("register_webhook", stdout=self.stdout)
