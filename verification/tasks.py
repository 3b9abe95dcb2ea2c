"""Draws' background work."""

from datetime import timedelta
from uuid import UUID

from luxewin.tasks.sweeps import enqueue_due, sweep
from verification import services
from verification.models import Draw

LEASE = timedelta(seconds=60)


@sweep(every=1)
def advance_unfinished_draws() -> int:
    """Finds draws with a step to take."""
    return enqueue_due(Draw.objects.unfinished(), advance_draw, lease=LEASE)


def advance_draw(raffle_id: str) -> None:
    """Takes every step of one draw that can be taken now."""
    services.advance_draw(UUID(raffle_id))
