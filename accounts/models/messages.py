"""Messages to people, and requests that wait for a mailed link."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models.fields import CanonicalEmailField
from accounts.models.people import User
from accounts.querysets import NotificationQuerySet
from luxewin.ids import uuid7
from luxewin.tasks.models import Claimable


class LinkRequest(Claimable):
    """A request by address alone for a mailed link; deleted once it was answered or needs no answer."""

    class Kind(models.TextChoices):
        VERIFY = "verify_email", "Verify the address"
        RESET = "reset_password", "Reset the password"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40, choices=Kind.choices, help_text="Which message is sent.")
    email = CanonicalEmailField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} since {self.created_at:%Y-%m-%d %H:%M}"


class EmailChange(models.Model):
    """A new address that waits until the links mailed to it and to the old one were both opened."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="email_change")
    email = CanonicalEmailField()
    old_confirmed_at = models.DateTimeField(null=True)
    new_confirmed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} to {self.email}"


class Notification(Claimable):
    """A message to a person: written with the change it reports, delivered by a worker."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # to be sent, or being tried again
        SENT = "sent", "Sent"  # the mail server took it
        FAILED = "failed", "Failed"  # given up after MAX_ATTEMPTS, for an operator to check
        DROPPED = "dropped", "Not sent"  # no longer wanted when its turn came

    MAX_ATTEMPTS: ClassVar[int] = 12

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    kind = models.CharField("message", max_length=40, help_text="For example purchase_paid or draw_won.")
    context = models.JSONField(default=dict)
    # One message per kind and subject, however often its task runs.
    dedupe_key = models.CharField(max_length=120, unique=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = "message"
        permissions = [("resend_notification", "Can send failed messages again")]
        indexes = [
            models.Index(
                fields=["claimed_until"], condition=models.Q(status="waiting"), name="accounts_notification_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}: {self.status}"
