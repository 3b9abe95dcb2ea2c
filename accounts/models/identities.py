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
    subject = models.UUIDField("id at the provider")
    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    email = CanonicalEmailField(help_text="The address that the provider had verified when the accounts were linked.")
    created_at = models.DateTimeField("linked at", db_default=Now())

    class Meta:
        verbose_name = "linked sign-in"
        verbose_name_plural = "linked sign-ins"
        constraints = [models.UniqueConstraint(fields=["provider", "subject"], name="accounts_identity_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.subject} is {self.user_id}"
