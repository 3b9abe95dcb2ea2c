"""The audit's rows, the seals over them, and the list of unsealed rows.

Triggers refuse every UPDATE, DELETE and TRUNCATE of rows and seals, and put each new row on the list of unsealed ones
(`luxewin/audit/sql`).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from luxewin.tasks.models import Claimable


class AuditEntry(models.Model):
    """Who changed what, from where, before and after."""

    at = models.DateTimeField(db_default=Now())
    actor = models.UUIDField(null=True, help_text="The id of the person who acted; empty if it was the system.")
    action = models.CharField(max_length=64, help_text="Subject and verb, for example purchase.paid.")
    subject_type = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.GenericIPAddressField("IP address", null=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "id"]),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.subject_id}"


class Unsealed(models.Model):
    """An audit row that no seal covers yet: written with the row by a trigger, removed by the sealer."""

    entry_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.entry_id)


class Seal(models.Model):
    """A link of the chain: digests of some audit rows, of the seal before, and of itself."""

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3, … without gaps.")
    version = models.PositiveSmallIntegerField(help_text="Version of the format that the digests are made of.")
    previous = models.CharField(max_length=64, help_text="The digest of the previous seal; zeros in the first.")
    entries = ArrayField(models.BigIntegerField(), help_text="Ids of the audit entries, in the order of their digests.")
    digests = models.BinaryField(help_text="SHA-256 of each entry, one after another; zeros for a missing entry.")
    first_entry = models.BigIntegerField(help_text="The lowest of the ids.")
    last_entry = models.BigIntegerField(help_text="The highest of the ids.")
    is_whole = models.BooleanField(
        help_text="No other entry was waiting, so every entry sealed later was also written later."
    )
    sealed_at = models.DateTimeField()
    digest = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["last_entry"], name="seal_last_entry")]

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class Head(Claimable):
    """The end of the chain: one row, locked by the sealer."""

    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"
