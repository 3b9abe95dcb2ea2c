"""Outcomes of picks after the draw: prizes pass to the next alternate, never by a redraw."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from luxewin.lines import LineField
from raffles.models import Prize
from verification.models.draws import Pick

MAX_REASON = 300


class Forfeit(models.Model):
    """A pick that lost its prize, or its place among the alternates, for a public reason."""

    class Kind(models.TextChoices):
        DISQUALIFIED = "disqualified", "Disqualified"  # was not entitled to win
        UNCLAIMED = "unclaimed", "Unclaimed"  # never came for the prize

    pick = models.OneToOneField(Pick, models.PROTECT, related_name="forfeit")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = LineField("public reason", max_length=MAX_REASON, help_text="Anyone can read it beside the pick.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        permissions = [("forfeit_pick", "Can disqualify a pick or mark it unclaimed")]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="forfeit_has_reason")]

    def __str__(self) -> str:
        return f"{self.pick}: {self.kind}"


class Award(models.Model):
    """A prize that a pick holds or held: a winner from the draw on, an alternate since stepping up."""

    pick = models.OneToOneField(Pick, models.PROTECT, related_name="award")
    prize = models.ForeignKey(Prize, models.PROTECT, related_name="awards")
    at = models.DateTimeField(db_default=Now())
    claimed_at = models.DateTimeField(null=True, help_text="When the prize was handed over.")
    lost_at = models.DateTimeField(null=True, help_text="When the pick was disqualified or marked unclaimed.")

    class Meta:
        ordering = ["prize__position", "at"]
        permissions = [("claim_award", "Can record that a prize was handed over")]
        # For the gallery of winners.
        indexes = [models.Index(fields=["-at", "id"], condition=Q(lost_at=None), name="award_held")]
        constraints = [
            models.UniqueConstraint(fields=["prize"], condition=Q(lost_at=None), name="award_prize_held_once"),
            models.CheckConstraint(condition=Q(claimed_at=None) | Q(lost_at=None), name="award_claimed_or_lost"),
        ]

    def __str__(self) -> str:
        return f"{self.prize}: {self.pick}"


class Outcome(models.TextChoices):
    """The outcome of a pick today; derived, never stored."""

    WINNER = "winner", "Winner"  # holds the prize that it won
    ALTERNATE = "alternate", "Reserve winner"  # waits for its turn
    STEPPED_UP = "stepped_up", "Winner from reserve"  # an alternate that holds a prize
    CLAIMED = "claimed", "Prize handed over"  # the prize that it won or stepped up to was handed over
    DISQUALIFIED = "disqualified", "Disqualified"  # forfeited, as are those unclaimed
    UNCLAIMED = "unclaimed", "Unclaimed"


def outcome_of(pick: Pick) -> Outcome:
    """Return the pick's outcome. Cost: none if its forfeit and award were read with it."""
    return derived_outcome(
        is_alternate=pick.prize_id is None,
        forfeited=pick.forfeit.kind if hasattr(pick, "forfeit") else None,
        is_called=hasattr(pick, "award"),
        is_claimed=hasattr(pick, "award") and pick.award.claimed_at is not None,
    )


def derived_outcome(*, is_alternate: bool, forfeited: str | None, is_called: bool, is_claimed: bool) -> Outcome:
    """Return the outcome of a pick: `forfeited` is the kind of its forfeit, `is_called` whether it ever had a prize."""
    if forfeited is not None:
        return Outcome(forfeited)
    if not is_called:
        return Outcome.ALTERNATE if is_alternate else Outcome.WINNER
    if is_claimed:
        return Outcome.CLAIMED
    return Outcome.STEPPED_UP if is_alternate else Outcome.WINNER


def held_prize(pick: Pick) -> Prize | None:
    """Return the prize that the pick holds today. Cost: none if its award and the award's prize were read with it."""
    return pick.award.prize if hasattr(pick, "award") and pick.award.lost_at is None else None


def claim_ends(pick: Pick) -> datetime:
    """Return until when whoever has the pick may claim its prize: from the round, or from when an alternate was called.

    Cost: none if its draw and award were read with it.
    """
    draw = pick.draw
    called = pick.award.at.timestamp() if pick.prize_id is None else draw.promised_beacon.time_of(draw.round or 0)
    return datetime.fromtimestamp(called + draw.terms["claim_seconds"], UTC)
