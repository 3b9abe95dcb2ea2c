"""`manage.py rotate_keys`: add a signing key and drop those that no token needs any more."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from accounts import signing_keys
from luxewin.environment import user_name


class Command(BaseCommand):
    """Write JWT_SIGNING_KEYS_FILE, creating it if needed; without one, print the variable's new value."""

    help = "Adds a signing key for tokens that begins tomorrow, and drops those that no token needs any more."
    # No system checks: this command makes the first key, without which they fail.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--leaked",
            action="store_true",
            help="drop every key there is; the new one signs at once, all sign in again",
        )

    def handle(self, *args: Any, leaked: bool, **options: Any) -> None:
        """Add a key that begins on the first day after others' cached key sets have expired."""
        text = settings.JWT_SIGNING_KEYS
        if leaked or not text.strip():
            words = [signing_keys.new_key()]
        else:
            try:
                living = signing_keys.parse(text).living()
            except signing_keys.KeysUnreadable as error:
                raise CommandError(f"JWT_SIGNING_KEYS: {error}") from error
            now = datetime.now(UTC)
            if living[-1].begins > now:
                raise CommandError(f"A new key begins on {living[-1].begins:%Y-%m-%d} already.")
            begins = now + signing_keys.PUBLISHED_FOR + timedelta(days=1)
            words = [*(key.text for key in living), signing_keys.new_key(begins)]
        self._write(words)
        names = ", ".join(
            f"{key.kid} from {f'{key.begins:%Y-%m-%d}' if key.begins > signing_keys.EVER else 'ever'}"
            for key in signing_keys.parse(" ".join(words)).keys
        )
        self.stderr.write(f"Keys: {names}. Restart every web process.")

    def _write(self, words: list[str]) -> None:
        if not settings.JWT_SIGNING_KEYS_FILE:
            self.stdout.write(",".join(words))
            return
        file = Path(settings.JWT_SIGNING_KEYS_FILE)
        draft = file.with_name(f"{file.name}.draft")
        try:
            draft.touch(mode=0o600)
            draft.write_text("\n".join(words) + "\n")
            draft.replace(file)
        except OSError as error:
            text = f"JWT_SIGNING_KEYS_FILE: {file} cannot be written by user {user_name()}: {error.strerror}."
            raise CommandError(text) from error
