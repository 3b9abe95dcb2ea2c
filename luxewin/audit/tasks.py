"""The audit's background work: sealing what was written, and telling the log where the chain ends."""

from datetime import timedelta

from luxewin.audit import sealing
from luxewin.audit.models import Head, Unsealed
from luxewin.tasks.sweeps import enqueue_due, sweep

LEASE = timedelta(minutes=2)


@sweep(every=5)
def seal_new_rows() -> int:
    """Finds out whether rows wait for their seal."""
    if not Unsealed.objects.exists():
        return 0
    Head.objects.get_or_create(pk=1)
    return enqueue_due(Head.objects.all(), seal, lease=LEASE)


def seal(_head: str) -> None:
    """Idempotent, and safe to kill: what was not sealed goes on waiting."""
    try:
        sealing.seal_waiting()
    finally:
        Head.objects.update(claimed_until=None)


@sweep(every=24 * 3600)
def log_head() -> None:
    """Once a day, and whenever a worker starts."""
    sealing.log_head()
