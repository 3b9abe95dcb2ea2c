"""The audit's rows. A trigger refuses every UPDATE, DELETE and TRUNCATE (migration 0001)."""

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """Who changed what, from where, before and after."""

    at = models.DateTimeField(db_default=Now())
    actor = models.UUIDField(null=True, help_text="The user who acted; empty where the system did.")
    action = models.CharField(max_length=64, help_text="Subject and verb, for example purchase.paid.")
    subject_type = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["subject_type", "subject_id", "id"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.subject_id}"
