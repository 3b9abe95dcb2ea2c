"""Transactions that change locked rows and wait only so long for a lock."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction

from luxewin.api.problems import Busy
from luxewin.database import LOCKED, outage


@contextmanager
def atomic_with_lock_timeout() -> Iterator[None]:
    """Open a transaction that raises Busy when a lock is not free within settings.DATABASE_LOCK_SECONDS.

    That is far longer than any of our transactions lasts, and shorter than the sweeps' claims. Raises Busy; then
    nothing was written, and the caller may try again: a stuck transaction does not block those that wait for it.
    """
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if outage(error) is LOCKED:
            raise Busy("Somebody else is changing this. Nothing was changed. Try again in a second.") from error
        raise
