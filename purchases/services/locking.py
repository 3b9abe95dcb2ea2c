"""Transactions that change locked rows, and do not wait for a lock for ever."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction

from luxewin.api.problems import Busy
from luxewin.database import LOCKED, outage


@contextmanager
def locking() -> Iterator[None]:
    """A transaction whose waits for locks, bounded by settings.DATABASE_LOCK_SECONDS as all are, end in Busy.

    That is far longer than any transaction of ours lasts, and shorter than the sweeps' claims. Raises Busy; then
    nothing was written, and the same may be tried again: whatever is stuck, its waiters are not.
    """
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if outage(error) is LOCKED:
            raise Busy("Somebody else is changing this. Nothing was changed. Try again in a second.") from error
        raise
