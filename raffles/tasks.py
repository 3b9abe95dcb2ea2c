"""Background tasks of raffles: closing on time, and reminders."""

from datetime import timedelta
from uuid import UUID

from luxewin.tasks.sweeps import enqueue_due, sweep
from raffles import reminders, services
from raffles.models import Raffle

LEASE = timedelta(seconds=30)
#: Reminders that one task writes, and how many are taken up at a time.
AT_ONCE, MOST = 100, 2_000


@sweep(every=1)
def close_due_raffles() -> int:
    """Enqueue raffles whose closing time has come or whose last ticket is sold."""
    return enqueue_due(Raffle.objects.due_to_close(), close_raffle, lease=LEASE)


def close_raffle(raffle_id: str) -> None:
    """Close one raffle if it is due."""
    services.close_raffle(UUID(raffle_id))


@sweep(every=10)
def remind_of_openings() -> int:
    """Enqueue the reminders of raffles whose sale has opened."""
    due = reminders.due_reminders(reminders.OPENING)
    return enqueue_due(due, remind_of_opening, lease=LEASE, limit=MOST, at_once=AT_ONCE)


def remind_of_opening(*favourite_ids: str) -> None:
    """Write reminders that a sale has opened."""
    reminders.send_reminders(reminders.OPENING, map(UUID, favourite_ids))


@sweep(every=10)
def remind_of_closings() -> int:
    """Enqueue the reminders of raffles whose sale ends soon."""
    due = reminders.due_reminders(reminders.CLOSING)
    return enqueue_due(due, remind_of_closing, lease=LEASE, limit=MOST, at_once=AT_ONCE)


def remind_of_closing(*favourite_ids: str) -> None:
    """Write reminders that a sale ends soon."""
    reminders.send_reminders(reminders.CLOSING, map(UUID, favourite_ids))
