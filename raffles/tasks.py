"""Background tasks of raffles: closing on time."""

from datetime import timedelta
from uuid import UUID

from luxewin.tasks.sweeps import enqueue_due, sweep
from raffles import services
from raffles.models import Raffle

LEASE = timedelta(seconds=30)


@sweep(every=1)
def close_due_raffles() -> int:
    """Enqueue raffles whose closing time has come or whose last ticket is sold."""
    return enqueue_due(Raffle.objects.due_to_close(), close_raffle, lease=LEASE)


def close_raffle(raffle_id: str) -> None:
    """Close one raffle if it is due."""
    services.close_raffle(UUID(raffle_id))
