"""Background tasks of the audit: sealing rows, and logging the head of the chain."""

from datetime import timedelta

from luxewin.audit import sealing
from luxewin.audit.models import Head, Unsealed
from luxewin.tasks.sweeps import enqueue_due, sweep

LEASE = timedelta(minutes=2)


@sweep(every=5)
def seal_new_rows() -> int:
    """Enqueue a seal if rows wait for it."""
    if not Unsealed.objects.exists():
        return 0
    Head.objects.get_or_create(pk=1)
    return enqueue_due(Head.objects.all(), seal, lease=LEASE)


def seal(_head: str) -> None:
    """Seal the waiting rows. Idempotent, and safe to kill: unsealed rows go on waiting."""
    try:
        sealing.seal_waiting()
    finally:
        Head.objects.update(claimed_until=None)


@sweep(every=24 * 3600)
def log_head() -> None:
    """Log the head once a day, and whenever a worker starts."""
    sealing.log_head()
