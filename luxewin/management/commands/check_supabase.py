"""`manage.py check_supabase`: what a Supabase project's API could do with our tables."""

from typing import Any

from django.core.management.base import BaseCommand

from luxewin.supabase_access import has_api_roles, open_to_the_api


class Command(BaseCommand):
    """Exit code 1 if anything is open. Changes nothing."""

    help = "Names what the roles anon and authenticated of a Supabase project could read, write or call here."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each."""
        if not has_api_roles():
            self.stdout.write("This database has no roles anon and authenticated: it is no Supabase project's.")
            return
        found = open_to_the_api()
        for line in found:
            self.stdout.write(self.style.ERROR("open") + f"  {line}")
        if found:
            raise SystemExit(1)
        self.stdout.write("Nothing is open to anon and authenticated.")
