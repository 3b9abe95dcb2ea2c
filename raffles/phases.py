"""Phases of a raffle, by the database's clock."""

from django.db.models import Case, CharField, TextChoices, Value, When
from django.db.models.functions import Now


class Phase(TextChoices):
    """The phase of a raffle, by the database's clock; derived, never stored."""

    DRAFT = "draft", "Draft"  # staff are still writing it
    UPCOMING = "upcoming", "Upcoming"  # published, sale not yet open: by its time, or until its rules are recorded
    OPEN = "open", "Open"  # on sale
    CLOSING = "closing", "Closing"  # sale over, payments under way may still settle
    DRAWING = "drawing", "Drawing"  # entries frozen, the beacon's round awaited
    DRAWN = "drawn", "Drawn"  # winners are final
    CANCELLED = "cancelled", "Cancelled"  # everyone is refunded


# By the database's clock, so that a late worker makes no difference. "draft" and the like are Raffle.Status.
PHASE = Case(
    When(status="draft", then=Value(Phase.DRAFT)),
    When(status="cancelled", then=Value(Phase.CANCELLED)),
    When(drawn_at__isnull=False, then=Value(Phase.DRAWN)),
    When(frozen_at__isnull=False, then=Value(Phase.DRAWING)),
    When(closed_at__isnull=False, then=Value(Phase.CLOSING)),
    When(closes_at__lte=Now(), then=Value(Phase.CLOSING)),
    When(opens_at__gt=Now(), then=Value(Phase.UPCOMING)),
    When(announced_at=None, then=Value(Phase.UPCOMING)),
    default=Value(Phase.OPEN),
    output_field=CharField(),
)
