"""What became of the picks after the draw: prizes that passed on, always to the next alternate, never by a redraw."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from raffles.models import Prize
from verification.models.draws import Pick


class Forfeit(models.Model):
    """A pick that lost its prize, or its place among the alternates, for a reason that anyone can read."""

    class Kind(models.TextChoices):
        DISQUALIFIED = "disqualified", "Disqualified"  # was not entitled to win
        UNCLAIMED = "unclaimed", "Unclaimed"  # never came for the prize

    pick = models.OneToOneField(Pick, models.PROTECT, related_name="forfeit")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.CharField(max_length=300, help_text="Public: anyone reads it beside the pick. Name no person.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.pick}: {self.kind}"


class Award(models.Model):
    """A prize that a pick holds or held: a winner from the draw on, an alternate since stepping up."""

    pick = models.OneToOneField(Pick, models.PROTECT, related_name="award")
    prize = models.ForeignKey(Prize, models.PROTECT, related_name="awards")
    at = models.DateTimeField(db_default=Now())
    claimed_at = models.DateTimeField(null=True, help_text="When the prize was handed over.")
    lost_at = models.DateTimeField(null=True, help_text="When the pick was forfeited.")

    class Meta:
        ordering = ["prize__position", "at"]
        constraints = [
            models.UniqueConstraint(fields=["prize"], condition=models.Q(lost_at=None), name="award_prize_held_once"),
            models.CheckConstraint(
                condition=models.Q(claimed_at=None) | models.Q(lost_at=None), name="award_claimed_or_lost"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prize}: {self.pick}"
