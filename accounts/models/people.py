"""People, and their preferences."""

from datetime import datetime, time, timedelta
from typing import Any, ClassVar
from uuid import uuid4
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower, Now

from accounts.addresses import mailbox_key
from accounts.models.fields import CanonicalEmailField, MailboxKeyField
from luxewin.audit.services import record
from luxewin.ids import uuid7
from luxewin.lines import LineField

# The address domain of erased people: it never exists (RFC 2606).
NOWHERE = "@deleted.invalid"


def address_of_nobody() -> str:
    """Return a placeholder address for a person whose own is removed."""
    return f"deleted-{uuid4().hex}{NOWHERE}"


class UserManager(BaseUserManager["User"]):
    """Make users for operators; people register through `accounts.services.register_user`."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a user with a hashed password.

        Raise ValidationError for an address that no mail reaches, and if its mailbox has an account.
        """
        user = self.model(email=self.model._meta.get_field("email").clean(email, None), **fields)  # noqa: SLF001
        user.clean()
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a verified operator with every right."""
        fields = {"is_staff": True, "is_superuser": True, "email_verified_at": Now()} | fields
        return self.create_user(email, password, **fields)

    def likely_doubles_of(self, pk: Any, name: Any, born: Any) -> "models.QuerySet[User]":
        """Return others of this name and date of birth, each a value or an expression. Cost: an index covers both."""
        # The name is compared without case, as in the index; an unknown date matches nobody.
        same = self.annotate(lower_name=Lower("display_name")).filter(
            date_of_birth=born, lower_name=Lower(name if hasattr(name, "resolve_expression") else models.Value(name))
        )
        return same.exclude(pk=pk)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of an address, however it is written."""
        return self.get(email=username or "")


class User(AbstractBaseUser, PermissionsMixin):
    """A buyer, or a member of staff. Signs in by e-mail."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = CanonicalEmailField(unique=True)
    mailbox = MailboxKeyField(
        max_length=254,
        unique=True,
        null=True,
        editable=False,
        help_text=(
            "The same for all spellings of an address that reach one mailbox, which can have one account. "
            "Empty if another account has it."
        ),
    )
    display_name = LineField(max_length=80)
    date_of_birth = models.DateField(null=True, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="Two-letter code (ISO 3166-1), for example GB.")
    region = models.CharField(
        max_length=6, blank=True, default="", db_default="", help_text="Code (ISO 3166-2), for example US-WA."
    )
    place_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When the person last changed country or region."
    )
    email_verified_at = models.DateTimeField(null=True, blank=True)
    password_proven = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether the password was set by somebody who showed that they read the mailbox.",
    )
    is_active = models.BooleanField("open", default=True, help_text="Nobody can sign in to a closed account.")
    is_staff = models.BooleanField("staff", default=False, help_text="Can sign in to the back office.")
    joined_at = models.DateTimeField(db_default=Now(), editable=False)
    links_by_address = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="A sign-in elsewhere with the same verified address may be linked.",
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["display_name"]
    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="accounts_user_email_lower"),
        ]
        # To find second accounts: the same name and date of birth.
        indexes = [models.Index("date_of_birth", Lower("display_name"), name="accounts_user_likely_double")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """Raise ValidationError if another account has the mailbox; for forms and commands."""
        super().clean()
        if self.mailbox is None and not self._state.adding:
            # An account without a mailbox cannot buy anyway; its other columns may be edited.
            return
        key = mailbox_key(self.email)
        if User.objects.filter(mailbox=key).exclude(pk=self.pk).exists():
            raise ValidationError({"email": ValidationError("Another account has this mailbox.", code="unique")})

    def save(self, **kwargs: Any) -> None:
        """Save; a new password and a deactivation end every session, whatever code made the change.

        Saving `is_active` also settles a waiting deletion: if closed, its mailed link no longer opens the account; if
        open, the deletion is cancelled. The link's own service bypasses this. A hash that is only renewed at sign-in is
        no new password: Django clears the raw one before it saves.
        """
        renewed = self._password is not None  # type: ignore[attr-defined]  # the stubs leave it out
        ends = not self._state.adding and (renewed or not self.is_active)
        fields = kwargs.get("update_fields")
        decides = not self._state.adding and (fields is None or "is_active" in fields)
        if fields is not None and "email" in fields:
            kwargs["update_fields"] = {*fields, "mailbox"}
        with transaction.atomic():
            super().save(**kwargs)
            if ends:
                ended = self.sessions.end()
                if ended or renewed:
                    because = "new password" if renewed else "deactivated"
                    record("user.signed_out_everywhere", self, after={"sessions": ended, "because": because})
            if decides:
                self._decide_deletion()

    def _decide_deletion(self) -> None:
        waiting = self.deletions.filter(status="waiting")
        if self.is_active:
            if waiting.update(status="cancelled", ended_at=Now()):
                record("user.deletion_cancelled", self)
        elif waiting.filter(can_be_kept=True).update(can_be_kept=False) and not self.is_deleted:
            record("user.kept_closed", self)

    @property
    def is_deleted(self) -> bool:
        """Whether the person is erased: nothing names them any more, and no mail reaches them."""
        return self.email.endswith(NOWHERE)

    @property
    def has_verified_email(self) -> bool:
        """Whether the address was proved to be theirs."""
        return self.email_verified_at is not None

    @property
    def is_operator(self) -> bool:
        """Whether the person may enter the back office or has a role. Cost: one query for those who may not enter."""
        return self.is_staff or self.is_superuser or self.groups.exists()


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless it is an IANA name."""
    if name not in available_timezones():
        raise ValidationError(f"{name} is not an IANA time zone.", code="unknown_time_zone")


class Preferences(models.Model):
    """How a person wants to be written to and named."""

    class WinnerName(models.TextChoices):
        FULL = "full", "Display name"
        INITIALS = "initials", "Initials"
        ANONYMOUS = "anonymous", "Anonymous"

    DIGEST_AT: ClassVar[time] = time(9)

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="preferences")
    language = models.CharField(max_length=8, default="en", choices=settings.LANGUAGES)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    switched_off = models.JSONField(
        "e-mails switched off", default=dict, blank=True, help_text='By subject, for example {"draws": ["email"]}.'
    )
    quiet_from = models.TimeField(
        null=True, blank=True, help_text="In the person's time zone: until quiet_until, what can wait is not sent."
    )
    quiet_until = models.TimeField(null=True, blank=True)
    digest = models.BooleanField(
        default=False, db_default=False, help_text="What can wait comes by one mail a day for each event."
    )
    marketing_consent_at = models.DateTimeField("agreed to marketing at", null=True, blank=True)
    winner_name = models.CharField(
        "named as winner by", max_length=10, choices=WinnerName.choices, default=WinnerName.INITIALS
    )

    class Meta:
        verbose_name_plural = "preferences"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False)
                & ~models.Q(quiet_from=models.F("quiet_until")),
                name="preferences_quiet_hours_have_both_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"Preferences of {self.user_id}"

    def quiet_ends(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end in which `now` lies; None if it lies in none. They may pass midnight."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        local = now.astimezone(ZoneInfo(self.time_zone))
        at, begins, ends = local.time(), self.quiet_from, self.quiet_until
        passes_midnight = begins > ends
        is_quiet = (at >= begins or at < ends) if passes_midnight else begins <= at < ends
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if passes_midnight and at >= begins else 0)
        return datetime.combine(day, ends, local.tzinfo)

    def digest_at(self, now: datetime) -> datetime:
        """Return when the next digest is due: daily at the end of the quiet hours, or at DIGEST_AT, for the person."""
        local, at = now.astimezone(ZoneInfo(self.time_zone)), self.quiet_until or self.DIGEST_AT
        day = local.date() + timedelta(days=0 if local.time() < at else 1)
        return datetime.combine(day, at, local.tzinfo)

    @property
    def marketing_consent(self) -> bool:
        """Whether consent was given and not withdrawn."""
        return self.marketing_consent_at is not None
