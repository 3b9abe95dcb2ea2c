"""Signing keys of tokens and of receipts: Ed25519, each named by its thumbprint.

One key signs, and older ones verify their live tokens.

JWT_SIGNING_KEYS lists them as `SEED` or `DATE:SEED`, separated by commas or white space: 32 random bytes in base64url,
and the day (UTC) from which the key signs; without a date it always may. The newest key that has begun signs. All are
published at once, so that services which cache the published set for an hour know a key before it signs. A replaced key
is dropped when the longest-lived token that it can have signed has expired. RECEIPT_KEYS has the same form; the key
that signs when a draw is promised signs for that draw for ever (`verification.receipt_keys`).
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from luxewin.strength import has_variety

SEED_BYTES = 32
EVER = datetime.min.replace(tzinfo=UTC)
# How long others may cache the published set.
PUBLISHED_FOR = timedelta(hours=1)
# Functions of apps above that return the public keys of receipts, in hex, that must be kept.
PINS: list[Callable[[], Iterable[str]]] = []


class KeysUnreadable(ValueError):
    """The variable is malformed; the message says where, and shows no key."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and when it signs: from `begins` until the next one begins."""

    text: str
    private: Ed25519PrivateKey
    #: It verifies.
    public: Ed25519PublicKey
    begins: datetime
    kid: str

    def jwk(self) -> dict[str, str]:
        """Return the public key in the form of RFC 8037."""
        return {**_okp(self.private), "kid": self.kid, "use": "sig", "alg": "EdDSA"}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys, oldest first."""

    keys: tuple[SigningKey, ...]

    def signing(self, now: datetime | None = None) -> SigningKey:
        """Return the newest key that has begun; `parse` made sure that there is one."""
        now = now or datetime.now(UTC)
        return [key for key in self.keys if key.begins <= now][-1]

    def named(self, kid: str) -> SigningKey:
        """Return the key of this name, or the signing key if it is gone: its tokens are dead anyway."""
        return next((key for key in self.keys if key.kid == kid), None) or self.signing()

    def living(self, now: datetime | None = None) -> list[SigningKey]:
        """Return the keys that verify: the one that signs, future ones, and those whose tokens may still be alive."""
        now = now or datetime.now(UTC)
        ends = [key.begins + settings.SESSION_IDLE_LIFETIME for key in self.keys[1:]]
        return [*(key for key, end in zip(self.keys, ends, strict=False) if now < end), self.keys[-1]]

    def verifying(self, kid: str | None) -> Ed25519PublicKey | None:
        """Return the public key of this name; None if no such key verifies."""
        return next((key.public for key in self.living() if key.kid == kid), None)


def ring() -> KeyRing:
    """Return the keys of the settings; raise KeysUnreadable."""
    return parse(settings.JWT_SIGNING_KEYS)


@lru_cache(maxsize=8)
def parse(text: str) -> KeyRing:
    """Read the variable's text; raise KeysUnreadable."""
    words = text.replace(",", " ").split()
    keys = sorted((_read(word, number) for number, word in enumerate(words, start=1)), key=lambda key: key.begins)
    if not any(key.begins <= datetime.now(UTC) for key in keys):
        raise KeysUnreadable("none of its keys signs yet." if keys else "it is empty.")
    for one in ("kid", "begins"):
        if len({getattr(key, one) for key in keys}) < len(keys):
            raise KeysUnreadable("two of its keys are the same, or begin on the same day.")
    return KeyRing(tuple(keys))


def new_key(begins: datetime | None = None) -> str:
    """Return a fresh key as an entry of the variable."""
    seed = urlsafe_b64encode(secrets.token_bytes(SEED_BYTES)).decode().rstrip("=")
    return f"{begins:%Y-%m-%d}:{seed}" if begins else seed


def _read(word: str, number: int) -> SigningKey:
    day, _, seed = word.rpartition(":")
    try:
        begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) if day else EVER
        raw = urlsafe_b64decode(seed + "=" * (-len(seed) % 4))
    except ValueError:
        raise KeysUnreadable(f"key {number} is not of the form DATE:SEED or SEED.") from None
    if len(raw) != SEED_BYTES or not has_variety(raw, SEED_BYTES // 4) or raw.isascii():
        raise KeysUnreadable(f"key {number} is not {SEED_BYTES} random bytes in base64url.")
    private = Ed25519PrivateKey.from_private_bytes(raw)
    # RFC 7638: the digest of the required members in this order and form.
    thumbprint = hashlib.sha256(json.dumps(_okp(private), sort_keys=True, separators=(",", ":")).encode()).digest()
    return SigningKey(word, private, private.public_key(), begins, urlsafe_b64encode(thumbprint).decode().rstrip("="))


def _okp(private: Ed25519PrivateKey) -> dict[str, str]:
    x = urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("=")
    return {"crv": "Ed25519", "kty": "OKP", "x": x}
