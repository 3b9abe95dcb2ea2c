"""The second factor: an authenticator app, and recovery codes for when it is lost."""

import hashlib
import logging
import re
import secrets
from base64 import b32encode
from functools import cached_property

import segno
from django.db import models
from django.db.models.functions import Now
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.encryption import DecryptionFailed, decrypt, encrypt
from accounts.models.people import User

log = logging.getLogger(__name__)
SECRET_BYTES = 20  # RFC 4226: as long as the digest of its HMAC


class Authenticator(TOTPDevice):
    """django-otp's TOTP device with its secret encrypted: 30-second steps, one either side, each code works once.

    A person has at most one confirmed and one unconfirmed (accounts/sql/authenticator_each.sql). Guessing is slowed by
    accounts.throttle, not by django-otp: two delays would only hide each other.
    """

    class Meta:
        proxy = True
        verbose_name = "two-step sign-in"
        verbose_name_plural = "two-step sign-in"

    @classmethod
    def of(cls, user: User) -> "Authenticator":
        """Make a new authenticator, neither saved nor confirmed."""
        stored = encrypt(secrets.token_bytes(SECRET_BYTES), owner=str(user.pk))
        return cls(user=user, name="Authenticator app", key=stored, confirmed=False)

    @cached_property
    def bin_key(self) -> bytes:
        """Return the secret; raise DecryptionFailed."""
        return decrypt(self.key, owner=str(self.user_id))

    @property
    def secret(self) -> str:
        """Return the secret in base32, for typing into an app."""
        return b32encode(self.bin_key).decode()

    @property
    def qr_svg(self) -> str:
        """Return the otpauth link as an SVG QR code, black on white on any page."""
        return segno.make(self.config_url, micro=False).svg_inline(scale=5, border=4, dark="#000", light="#fff")

    def verify_token(self, token: str) -> bool:
        """Check and use up this code. Lock the row first, in a transaction.

        The secret is encrypted anew each time, so that after a change of SECRET_KEY the old key is soon not needed.
        """
        try:
            self.key = encrypt(self.bin_key, owner=str(self.user_id))
        except DecryptionFailed:
            log.exception("the authenticator of %s cannot be read: is SECRET_KEY_FALLBACKS complete?", self.user_id)
            return False
        return super().verify_token(token)


class RecoveryCode(models.Model):
    """A code that replaces the app once: its row is deleted when it is used.

    django-otp keeps its static tokens as they are typed; these are kept as digests. 120 random bits need neither salt
    nor a slow hash, and an index finds them.
    """

    COUNT = 10
    LENGTH, GROUP = 24, 6  # letters of base32

    user = models.ForeignKey(User, models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="accounts_recovery_code_once")]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d}"

    @classmethod
    def renew(cls, user: User) -> list[str]:
        """Replace a person's codes and return the new ones, which are shown once. Call it in a transaction."""
        codes = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(cls.COUNT)]
        cls.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=cls._digest(code)) for code in codes)
        return [cls._shown(code) for code in codes]

    @classmethod
    def spend(cls, user: User, code: str) -> bool:
        """Use up a recovery code; return whether it was valid. One DELETE: of two concurrent uses, one succeeds."""
        return cls.objects.filter(user=user, digest=cls._digest(code)).delete()[0] == 1

    @staticmethod
    def _digest(code: str) -> bytes:
        return hashlib.sha256(code.encode()).digest()

    @classmethod
    def _shown(cls, code: str) -> str:
        return "-".join(code[start : start + cls.GROUP] for start in range(0, cls.LENGTH, cls.GROUP))


def plain(code: str) -> str:
    """Return a code in lower case without the separators that people type."""
    return re.sub(r"[\s-]", "", code).lower()
