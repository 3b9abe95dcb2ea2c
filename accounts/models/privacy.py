"""Exports, deletions, exclusions that outlive an account, and rules of retention."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models.people import User
from luxewin.ids import uuid7
from luxewin.lines import LineField
from luxewin.tasks.models import Claimable


class Export(Claimable):
    """An archive of all data held on a person, made by a worker and deleted a few days later."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # to be made, or being made
        READY = "ready", "Ready"  # made, and its link mailed
        FAILED = "failed", "Failed"  # given up, for an operator to check; the person may ask again at once

    MAX_ATTEMPTS: ClassVar[int] = 3

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="exports")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    size = models.PositiveBigIntegerField("size (bytes)", null=True)
    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField("link works until", null=True)

    class Meta:
        verbose_name = "data export"
        permissions = [("start_export", "Can start an export on a person's written request")]
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(status="waiting"), name="export_one_waiting"),
        ]

    def __str__(self) -> str:
        return f"Export for {self.user_id}: {self.status}"


class ExportPart(models.Model):
    """A piece of an archive, so that the whole never has to be in memory."""

    export = models.ForeignKey(Export, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["export", "number"], name="export_part_once")]

    def __str__(self) -> str:
        return f"part {self.number} of {self.export_id}"


class Deletion(Claimable):
    """A person's request to be erased: it can be cancelled until `due_at`, and waits while money is under way."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # the account is closed, nothing is erased yet
        CANCELLED = "cancelled", "Cancelled"  # by the person or by staff
        DONE = "done", "Done"  # nothing names the person any more

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="deletions")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField("erased from")
    ended_at = models.DateTimeField(null=True)
    can_be_kept = models.BooleanField(
        "person can cancel it",
        default=True,
        db_default=True,
        help_text="With the link in the e-mail, unless staff closed the account.",
    )
    obstacles = models.JSONField("blocked by", default=list, help_text="What blocked it when it was last due.")

    class Meta:
        verbose_name = "account deletion"
        permissions = [("start_deletion", "Can start a deletion on a person's written request")]
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(status="waiting"), name="deletion_one_waiting"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(status="waiting"), name="deletion_due")]

    def __str__(self) -> str:
        return f"Deletion of {self.user_id}: {self.status}"


class FormerIdentifier(models.Model):
    """A mailbox or Supabase account that the person once verified and no longer uses here.

    Written by triggers (accounts/sql/keep_former_identifier.sql). An exclusion stays tied to it; it is deleted when the
    person is erased.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="former_identifiers", db_index=False)
    value = models.CharField(max_length=254, help_text="A mailbox, or “supabase:” and an id there.")
    noted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "value"], name="former_identifier_once")]
        indexes = [models.Index(fields=["value"], name="former_identifier_value")]

    def __str__(self) -> str:
        return f"once of {self.user_id}"


class ExcludedAddress(models.Model):
    """A mailbox, Supabase account or card of an excluded person who was erased here, as a keyed digest."""

    digest = models.BinaryField(primary_key=True, max_length=32)
    until = models.DateTimeField(null=True, help_text="Empty if it is permanent.")
    person = models.UUIDField(null=True, db_index=True, help_text="The same in all rows of one person.")

    def __str__(self) -> str:
        return f"excluded until {self.until or 'ever'}"


class RetentionRule(Claimable):
    """How long a kind of data is kept; `accounts.privacy.retention` removes it."""

    what = models.CharField("rule", max_length=40, primary_key=True)
    keep_days = models.PositiveIntegerField("days to keep")
    why = LineField("reason", max_length=300, help_text="The legal basis for keeping it this long and no longer.")
    ran_at = models.DateTimeField("last completed at", null=True, editable=False)

    class Meta:
        ordering = ["what"]

    def __str__(self) -> str:
        return self.what
