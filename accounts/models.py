"""People and what is kept about them: the user, preferences, sessions, notifications, what waits for a link."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower, Now

from accounts.devices import device_name, place
from accounts.querysets import NotificationQuerySet, SessionQuerySet
from luxewin.ids import uuid7
from luxewin.tasks.models import Claimable


class UserManager(BaseUserManager["User"]):
    """Makes users; `accounts.services.register_user` is the door for people, this one for operators."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user with a hashed password; the address is stored in lower case."""
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An operator with every right, verified."""
        fields = {"is_staff": True, "is_superuser": True, "email_verified_at": Now()} | fields
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """By address, whatever its case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who buys, or a member of staff. Signs in by e-mail."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    display_name = models.CharField(max_length=80)
    date_of_birth = models.DateField(null=True, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to the back office.")
    joined_at = models.DateTimeField(db_default=Now(), editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["display_name"]
    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="accounts_user_email_lower"),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, **kwargs: Any) -> None:
        """Saves; a new password and a deactivation end every session, whoever made the change and by which door.

        A hash that is only renewed at sign-in is no new password: Django forgets the raw one before it saves.
        """
        renewed = self._password is not None  # type: ignore[attr-defined]  # the stubs leave it out
        ends = not self._state.adding and (renewed or not self.is_active)
        with transaction.atomic():
            super().save(**kwargs)
            if ends:
                Session.objects.filter(user=self).end()

    @property
    def is_verified(self) -> bool:
        """The address was shown to be theirs."""
        return self.email_verified_at is not None


class Preferences(models.Model):
    """How a person wants to be written to and named."""

    class WinnerName(models.TextChoices):
        FULL = "full", "Display name"
        INITIALS = "initials", "Initials"
        ANONYMOUS = "anonymous", "Anonymous"

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="preferences")
    language = models.CharField(max_length=8, default="en", choices=[("en", "English")])
    time_zone = models.CharField(max_length=64, default="UTC")
    email_purchases = models.BooleanField(default=True, help_text="Receipts and ticket numbers by e-mail.")
    email_draws = models.BooleanField(default=True, help_text="Results of draws one took part in by e-mail.")
    marketing_consent_at = models.DateTimeField(null=True, blank=True)
    winner_name = models.CharField(max_length=10, choices=WinnerName.choices, default=WinnerName.INITIALS)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user_id}"

    @property
    def marketing_consent(self) -> bool:
        """Consented, and not withdrawn."""
        return self.marketing_consent_at is not None


class Session(models.Model):
    """One sign-in on one device: a family of refresh tokens of which only the newest is good."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    token_id = models.UUIDField(help_text="The jti of the newest refresh token; the token itself is not stored.")
    user_agent = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    objects = SessionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d}"

    @property
    def device(self) -> str:
        """What it was opened on, in short."""
        return device_name(self.user_agent)

    @property
    def place(self) -> str:
        """Where it was opened, coarsely."""
        return place(self.address)


class SignInDelay(models.Model):
    """Failed sign-ins in a row at one address, whether it has an account or not (accounts.attempts)."""

    key = models.BinaryField(primary_key=True, max_length=32, help_text="A keyed digest of the address.")
    failures = models.PositiveSmallIntegerField()
    last_at = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="No password is looked at before.")

    def __str__(self) -> str:
        return f"{self.failures} failures, the last at {self.last_at:%Y-%m-%d %H:%M:%S}"


class LinkRequest(Claimable):
    """Somebody asked for a mailed link by address alone; gone once it was answered or found to need no answer."""

    class Kind(models.TextChoices):
        VERIFY = "verify_email", "Verify the address"
        RESET = "reset_password", "Reset the password"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40, choices=Kind.choices, help_text="Also the kind of the notification.")
    email = models.EmailField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} since {self.created_at:%Y-%m-%d %H:%M}"


class EmailChange(models.Model):
    """A new address that waits until both its owner and the owner of the old one have opened their links."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="email_change")
    email = models.EmailField()
    old_confirmed_at = models.DateTimeField(null=True)
    new_confirmed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} to {self.email}"


class Notification(Claimable):
    """A message to a person: written with the change it tells of, delivered by a worker."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # to be sent, or being tried again
        SENT = "sent", "Sent"  # the mail server took it
        FAILED = "failed", "Failed"  # given up after MAX_ATTEMPTS, an operator looks

    MAX_ATTEMPTS: ClassVar[int] = 12

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40, help_text="Names the templates mail/<kind>.txt.")
    context = models.JSONField(default=dict)
    # The same news about the same thing is told once, however often its task runs.
    dedupe_key = models.CharField(max_length=120, unique=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["claimed_until"], condition=models.Q(status="waiting"), name="accounts_notification_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}: {self.status}"
