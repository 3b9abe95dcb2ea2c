"""`manage.py bootstrap`: what an embedded installation needs before it can serve."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from luxewin.schema import prepare_database


class Command(BaseCommand):
    """Safe to repeat. In production its steps are run one by one, as the README says."""

    help = "Development only: schema, superuser, contract and webhook of the embedded parts."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """--staff-email, --fresh; the password comes in LUXEWIN_STAFF_PASSWORD."""
        parser.add_argument("--staff-email", default="admin@luxewin.example")
        parser.add_argument("--fresh", action="store_true", help="empty the database first")

    def handle(self, *args: Any, staff_email: str, fresh: bool, **options: Any) -> None:
        """Each step says what it did."""
        if settings.LUXEWIN_ENV == settings.PRODUCTION:
            raise CommandError("bootstrap is for development; see the README for production.")
        prepare_database(fresh=fresh)
        from accounts.models import User

        if not User.objects.filter(email=staff_email).exists():
            User.objects.create_superuser(staff_email, os.environ["LUXEWIN_STAFF_PASSWORD"], display_name="Operator")
        if settings.CHAIN_RPC_URLS:
            call_command("deploy_contract", stdout=self.stdout)
        call_command("register_webhook", stdout=self.stdout)
