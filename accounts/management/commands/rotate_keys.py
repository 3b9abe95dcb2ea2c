"""`manage.py rotate_keys`: add a signing key and drop those that nothing needs any more."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import Error

from accounts import signing_keys
from accounts.signing_keys import KeyRing, KeysUnreadable, SigningKey
from luxewin.environment import user_name

TOKENS, RECEIPTS = "JWT_SIGNING_KEYS", "RECEIPT_KEYS"


class Command(BaseCommand):
    """Write JWT_SIGNING_KEYS_FILE, or RECEIPT_KEYS_FILE, creating it if needed.

    Without one, print the variable's new value.
    """

    help = "Adds a signing key for tokens, or for receipts, that begins tomorrow, and drops those that nothing needs."
    # No system checks: this command makes the first key, without which they fail.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--receipts",
            action="store_true",
            help="rotate RECEIPT_KEYS, which sign receipts and heads; a key that a draw has promised stays",
        )
        parser.add_argument(
            "--leaked",
            action="store_true",
            help="drop every key there is; the new one signs at once, all sign in again",
        )

    def handle(self, *args: Any, receipts: bool, leaked: bool, **options: Any) -> None:
        """Add a key that begins on the first day after others' cached key sets have expired."""
        variable = RECEIPTS if receipts else TOKENS
        kept = self._kept(variable, leaked=leaked)
        now = datetime.now(UTC)
        if kept and kept[-1].begins > now:
            raise CommandError(f"A new key begins on {kept[-1].begins:%Y-%m-%d} already.")
        if not kept:
            added = signing_keys.new_key()
        elif leaked:
            # Two keys never begin on one day.
            added = signing_keys.new_key(max(now, kept[-1].begins + timedelta(days=1)))
        else:
            added = signing_keys.new_key(now + signing_keys.PUBLISHED_FOR + timedelta(days=1))
        words = [*(key.text for key in kept), added]
        self._write(variable, words)
        names = ", ".join(
            f"{key.kid} from {f'{key.begins:%Y-%m-%d}' if key.begins > signing_keys.EVER else 'ever'}"
            for key in signing_keys.parse(" ".join(words)).keys
        )
        self.stderr.write(f"Keys: {names}. Restart every web process{' and worker' if receipts else ''}.")

    def _kept(self, variable: str, *, leaked: bool) -> list[SigningKey]:
        text = getattr(settings, variable)
        if not text.strip() or (leaked and variable == TOKENS):
            return []
        try:
            ring = signing_keys.parse(text)
        except KeysUnreadable as error:
            raise CommandError(f"{variable}: {error}") from error
        return ring.living() if variable == TOKENS else self._promised(ring, leaked=leaked)

    def _promised(self, ring: KeyRing, *, leaked: bool) -> list[SigningKey]:
        """Return the keys that draws have promised, and unless they leaked those that sign now or later."""
        try:
            pinned = {public for pins in signing_keys.PINS for public in pins()}
        except Error as error:
            raise CommandError(
                "The database does not say which keys draws have promised. No key was changed."
            ) from error
        begins = ring.signing().begins
        return [
            key
            for key in ring.keys
            if key.public.public_bytes_raw().hex() in pinned or (not leaked and key.begins >= begins)
        ]

    def _write(self, variable: str, words: list[str]) -> None:
        named = getattr(settings, f"{variable}_FILE")
        if not named:
            self.stdout.write(",".join(words))
            return
        file = Path(named)
        draft = file.with_name(f"{file.name}.draft")
        try:
            draft.touch(mode=0o600)
            draft.write_text("\n".join(words) + "\n")
            draft.replace(file)
        except OSError as error:
            text = f"{variable}_FILE: {file} cannot be written by user {user_name()}: {error.strerror}."
            raise CommandError(text) from error
