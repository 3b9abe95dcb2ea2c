"""Transactions that change locked rows, and do not wait for a lock for ever."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from purchases.errors import Busy

# Far longer than any transaction of ours lasts, and shorter than the sweeps' claims.
PATIENCE = "10s"
LOCK_NOT_AVAILABLE = "55P03"


@contextmanager
def locking() -> Iterator[None]:
    """A transaction in which no statement waits for a lock longer than PATIENCE.

    Raises Busy; then nothing was written, and the same may be tried again: whatever is stuck, its waiters are not.
    Within another transaction the bound stays until that one ends. Cost: one statement.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")  # nosemgrep: sql-by-parameters (ours)
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise Busy("Somebody else is at it; nothing was done. Try again in a second.") from error
        raise
