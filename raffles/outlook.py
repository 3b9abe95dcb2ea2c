"""What a shop says of a raffle beside its facts: what the draw waits for and when it can be, and badges.

Each takes a raffle read with its phase, or a row of a list: both have these attributes.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import TextChoices

from raffles.phases import Phase

NEW, SOON, NEARLY_GONE_PERCENT = timedelta(days=3), timedelta(days=1), 90


class WaitsFor(TextChoices):
    """What has to happen next before a raffle can be drawn."""

    ANNOUNCEMENT = "announcement", "Its rules are being recorded"
    OPENING = "opening", "The sale opens"
    END_OF_SALE = "end_of_sale", "The sale ends"
    PAYMENTS = "payments", "Open payments end, then the entries are fixed"
    RANDOM_NUMBER = "random_number", "The public random number of the draw"


class Badge(TextChoices):
    """What a shop may show on a raffle's picture."""

    NEW = "new", "New"
    CLOSING_SOON = "closing_soon", "Closing soon"
    NEARLY_GONE = "nearly_gone", "Nearly gone"
    SOLD_OUT = "sold_out", "Sold out"


WAITS = {
    Phase.OPEN: WaitsFor.END_OF_SALE,
    Phase.CLOSING: WaitsFor.PAYMENTS,
    Phase.DRAWING: WaitsFor.RANDOM_NUMBER,
}


def waiting_for(raffle: Any) -> WaitsFor | None:
    """Return what the draw waits for next; None if there is none to come."""
    if raffle.phase == Phase.UPCOMING:
        # Once it may be open, only its announcement is missing.
        return WaitsFor.OPENING if raffle.announced_at else WaitsFor.ANNOUNCEMENT
    return WAITS.get(raffle.phase)


def draw_expected_at(raffle: Any) -> datetime | None:
    """Return when the draw can be at the earliest; None if there is none to come. Open payments can delay it."""
    if raffle.phase in {Phase.DRAFT, Phase.DRAWN, Phase.CANCELLED}:
        return None
    fixed_at: datetime = raffle.frozen_at or raffle.closed_at or raffle.closes_at
    return fixed_at + timedelta(seconds=raffle.delay_seconds)


def badges(raffle: Any, *, left: int, percent_sold: int) -> list[Badge]:
    """Return those that fit at the time when it was read, the most urgent last."""
    found, now = [], raffle.read_at
    if raffle.phase in {Phase.UPCOMING, Phase.OPEN} and now - raffle.published_at < NEW:
        found.append(Badge.NEW)
    if raffle.phase == Phase.OPEN and raffle.closes_at - now < SOON:
        found.append(Badge.CLOSING_SOON)
    if raffle.phase == Phase.OPEN and left and percent_sold >= NEARLY_GONE_PERCENT:
        found.append(Badge.NEARLY_GONE)
    if raffle.phase in {Phase.OPEN, Phase.CLOSING, Phase.DRAWING} and not left:
        found.append(Badge.SOLD_OUT)
    return found
