"""Endpoints of the operator's systems, events, and the delivery of each event to each endpoint."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from luxewin.ids import uuid7
from luxewin.lines import LineField
from luxewin.tasks.models import Claimable
from luxewin.webhooks.addresses import validate_endpoint_url
from luxewin.webhooks.events import EventType


class Endpoint(Claimable):
    """Where a system of the operator's takes events. Its secrets are encrypted, bound to its id.

    One task at a time sends to it, so a receiver that hangs never occupies more than one worker; `claimed_until` is the
    claim of that task, and the rest after a failure.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"  # three days of failures: events are kept and wait until it is enabled
        OFF = "off", "Switched off"  # by staff: events are not kept for it

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    url = models.CharField("web address", max_length=500, validators=[validate_endpoint_url])
    description = LineField(max_length=200, blank=True)
    event_types = ArrayField(
        models.CharField(max_length=40, choices=[(name.value, name.value) for name in EventType]), verbose_name="events"
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    secret = models.CharField(max_length=200, editable=False)
    previous_secret = models.CharField(max_length=200, blank=True, editable=False)
    previous_until = models.DateTimeField("signs with the earlier secret too until", null=True, editable=False)
    failures = models.PositiveIntegerField("failures in a row", default=0, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "endpoint"
        constraints = [
            models.CheckConstraint(condition=models.Q(event_types__len__gt=0), name="webhook_endpoint_has_events")
        ]

    def __str__(self) -> str:
        return self.description or self.url


class Event(models.Model):
    """Something that happened; written with it. What it says never changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    type = models.CharField(max_length=40)
    # Of the type and its subject: an event happens once, however often its change is tried.
    dedupe_key = models.CharField(max_length=120, unique=True)
    data = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return f"{self.type} of {self.created_at:%Y-%m-%d %H:%M:%S}"


class DeliveryQuerySet(models.QuerySet[Any]):
    """Deliveries."""

    def due(self) -> "DeliveryQuerySet":
        """Keep those that are to be tried now."""
        return self.filter(status__in=Delivery.OPEN, due_at__lte=Now())


class Delivery(models.Model):
    """One event for one endpoint: there is never a second, so what comes twice has the same id."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"  # to be sent, or being tried again
        SENT = "sent", "On its way"  # handed over, and the answer is not known yet; tried again if it never is
        DELIVERED = "delivered", "Delivered"  # answered with 2xx
        FAILED = "failed", "Failed"  # given up after three days
        SUPPRESSED = "suppressed", "Not sent"  # its endpoint was switched off

    OPEN: ClassVar[list[str]] = ["queued", "sent"]

    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="deliveries", db_index=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField("tried from", db_default=Now())
    first_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    response_status = models.PositiveSmallIntegerField("HTTP status", null=True)
    answer = models.CharField(max_length=500, blank=True, db_default="", help_text="The beginning of the last answer.")
    error = models.CharField(max_length=200, blank=True, db_default="")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("replay_delivery", "Can send events again")]
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="webhook_delivery_once")]
        indexes = [
            models.Index(
                fields=["endpoint", "due_at"],
                condition=models.Q(status__in=["queued", "sent"]),
                name="webhook_delivery_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"
