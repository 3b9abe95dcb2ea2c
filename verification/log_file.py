"""The log file of a raffle from the database, read in batches like the entries (`verification.entries`).

Leaves that have their place never change, so the batches are consistent.
"""

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

from verification.log import HEADER

BATCH = 10_000
_BATCH = """
    SELECT string_agg(
        kind || ',' || entry_id || ',' || a || ',' || b || ',' || encode(x, 'hex') || ',' || at || chr(10),
        '' ORDER BY index
    ) FROM verification_logleaf WHERE raffle_id = %s AND index >= %s AND index < %s
"""


def log_lines(raffle_id: UUID, size: int) -> Iterator[str]:
    """Yield the log file of the first `size` leaves, header first, then BATCH lines per piece."""
    yield HEADER
    for start in range(0, size, BATCH):
        with connection.cursor() as cursor:
            cursor.execute(_BATCH, [raffle_id, start, min(start + BATCH, size)])
            (piece,) = cursor.fetchone()
        # A slow download must not keep a connection from buyers.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        yield piece
