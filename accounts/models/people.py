"""People: who they are, and how they want to be written to and named."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower, Now

from luxewin.ids import uuid7


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
                self.sessions.end()

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
