"""Sessions, and delays after failed sign-ins."""

from django.db import models
from django.db.models.functions import Now

from accounts.devices import device_name, place
from accounts.models.people import User
from accounts.querysets import SessionQuerySet
from luxewin.ids import uuid7


class Session(models.Model):
    """One sign-in on one device: a family of refresh tokens of which only the newest is valid.

    Only the parts of the newest are stored: its id, when it was issued and the key that signs it. So it can be issued
    again for a moment, and a reader of the row cannot sign in with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    token_id = models.UUIDField(help_text="The jti of the newest refresh token. The token itself is not stored.")
    issued_at = models.BigIntegerField(null=True, help_text="The iat of the newest refresh token, if it was exchanged.")
    signed_by = models.CharField(
        max_length=43, blank=True, default="", db_default="", help_text="Its kid: which key signed it."
    )
    previous_token_id = models.UUIDField(null=True, help_text="The jti of the refresh token before.")
    rotated_at = models.DateTimeField(null=True, help_text="When the newest refresh token was issued.")
    user_agent = models.CharField("browser", max_length=200, blank=True)
    address = models.GenericIPAddressField("IP address", null=True)
    created_at = models.DateTimeField("signed in at", db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(
        db_default=Now(), help_text="When the person last gave their password or a code."
    )
    second_factor = models.BooleanField(
        "two-step sign-in", default=False, db_default=False, help_text="Opened with the password and a code."
    )

    objects = SessionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d}"

    @property
    def device(self) -> str:
        """Return a short name of the device on which it was opened."""
        return device_name(self.user_agent)

    @property
    def place(self) -> str:
        """Return roughly where it was opened."""
        return place(self.address)


class SignInDelay(models.Model):
    """Failed sign-ins in a row at one address, whether it has an account or not (accounts.throttle)."""

    key = models.BinaryField(primary_key=True, max_length=32, help_text="A keyed digest of the address.")
    failures = models.PositiveSmallIntegerField()
    last_at = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="Passwords are not checked before.")

    def __str__(self) -> str:
        return f"{self.failures} failures, the last at {self.last_at:%Y-%m-%d %H:%M:%S}"
