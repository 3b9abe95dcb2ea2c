"""Claims: what the holder of a prize wants, and how far its delivery has come."""

import json
from hashlib import sha256
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.encryption import decrypt, encrypt
from luxewin.clock import UpdatedAtField
from luxewin.lines import LineField
from verification.models.outcomes import Award

MAX_WANTED = 200


class Claim(models.Model):
    """The claim to one prize: made when its holder accepts it, and over when it is handed over.

    Where it is to be sent is encrypted, bound to the award, and erased by a rule of retention.
    """

    class Takes(models.TextChoices):
        PRIZE = "prize", "The prize"
        CASH = "cash", "Its cash alternative"

    class Status(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"  # staff check the person
        DOCUMENTS = "documents_wanted", "Documents wanted"  # the person is asked for them
        CHECKED = "checked", "Checked"  # it can be sent
        DISPATCHED = "dispatched", "Dispatched"
        DELIVERED = "delivered", "Delivered"

    #: While it can be changed by the person, and checked by staff.
    OPEN: ClassVar[list[str]] = ["accepted", "documents_wanted", "checked"]

    award = models.OneToOneField(Award, models.CASCADE, primary_key=True, related_name="claim")
    takes = models.CharField(max_length=5, choices=Takes.choices)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACCEPTED)
    sealed_address = models.TextField(blank=True, editable=False, help_text="JSON, encrypted; empty once erased.")
    wanted = LineField("documents wanted", max_length=MAX_WANTED, blank=True)
    carrier = LineField(max_length=80, blank=True)
    tracking = LineField("tracking number", max_length=120, blank=True)
    accepted_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    updated_at = UpdatedAtField()

    class Meta:
        ordering = ["-accepted_at"]
        permissions = [("handle_claim", "Can check claims and dispatch prizes")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="dispatched") | Q(dispatched_at__isnull=False), name="claim_dispatched"
            ),
            models.CheckConstraint(
                condition=Q(status="delivered", delivered_at__isnull=False)
                | (~Q(status="delivered") & Q(delivered_at=None)),
                name="claim_delivered",
            ),
        ]

    def __str__(self) -> str:
        return f"Claim to {self.award.prize}"

    @property
    def address(self) -> dict[str, str] | None:
        """Where it is to be sent; None for cash, or once erased. Raise accounts.encryption.DecryptionFailed."""
        if not self.sealed_address:
            return None
        found: dict[str, str] = json.loads(decrypt(self.sealed_address, owner=self._owner))
        return found

    @address.setter
    def address(self, address: dict[str, str] | None) -> None:
        self.sealed_address = encrypt(json.dumps(address).encode(), owner=self._owner) if address else ""

    @property
    def _owner(self) -> str:
        return f"claim:{self.award_id}"


class ClaimDocument(models.Model):
    """A document that the holder of a prize sent, for staff who check claims alone; erased with the address.

    It is in the database, encrypted: within its transactions and backups, and on every machine.
    """

    class Media(models.TextChoices):
        JPEG = "image/jpeg", "JPEG"
        PNG = "image/png", "PNG"
        PDF = "application/pdf", "PDF"

    claim = models.ForeignKey(Claim, models.CASCADE, related_name="documents")
    media = models.CharField("type", max_length=15, choices=Media.choices)
    size = models.PositiveIntegerField(help_text="In bytes.")
    digest = models.BinaryField("SHA-256", max_length=32)
    sealed_content = models.TextField(editable=False)
    created_at = models.DateTimeField("sent at", db_default=Now())

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["claim", "digest"], name="claim_document_once")]

    def __str__(self) -> str:
        return f"{self.get_media_display()}, {self.size} bytes"

    @classmethod
    def made_of(cls, claim: Claim, media: str, content: bytes) -> "ClaimDocument":
        """Return the row for a document, not saved yet."""
        facts: dict[str, Any] = {"claim": claim, "media": media, "size": len(content)}
        sealed = encrypt(content, owner=_owner_of(claim.pk))
        return cls(**facts, digest=sha256(content).digest(), sealed_content=sealed)

    @property
    def content(self) -> bytes:
        """The document. Raise accounts.encryption.DecryptionFailed."""
        return decrypt(self.sealed_content, owner=_owner_of(self.claim_id))


def _owner_of(claim: int) -> str:
    return f"claim document:{claim}"
