"""Linked accounts elsewhere."""

from django.db import models
from django.db.models.functions import Now

from accounts.models.fields import CanonicalEmailField
from accounts.models.people import User
from luxewin.ids import uuid7


class Identity(models.Model):
    """A person's account elsewhere, with which they sign in here."""

    class Provider(models.TextChoices):
        SUPABASE = "supabase", "Supabase Auth"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=16, choices=Provider.choices)
    subject = models.UUIDField(help_text="The provider's id of the person.")
    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    email = CanonicalEmailField(help_text="As the provider had verified it when the two were linked.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["provider", "subject"], name="accounts_identity_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.subject} is {self.user_id}"
