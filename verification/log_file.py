"""The log file of a raffle from the database, read in batches like the entries (`verification.entries`).

Leaves that have their place never change, so the batches are consistent.
"""

from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from luxewin.replica import fetch_row, reading_from
from verification.log import HEADER

BATCH = 10_000
_BATCH = """
    SELECT string_agg(
        kind || ',' || entry_id || ',' || a || ',' || b || ',' || encode(x, 'hex') || ',' || at || chr(10),
        '' ORDER BY index
    ) FROM verification_logleaf WHERE raffle_id = %s AND index >= %s AND index < %s
"""


def log_lines(raffle_id: UUID, size: int) -> Iterator[str]:
    """Return the log file of the first `size` leaves, header first, then BATCH lines per piece."""
    return chain([HEADER], _pieces(reading_from(), raffle_id, size))


def _pieces(alias: str, raffle_id: UUID, size: int) -> Iterator[str]:
    for start in range(0, size, BATCH):
        (piece,) = fetch_row(alias, _BATCH, [raffle_id, start, min(start + BATCH, size)])
        yield piece
