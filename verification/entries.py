"""The entries of a draw from the database, read in batches: records for the tree, lines for the entries file.

The database assembles a whole batch, so that a million entries take a second. Each batch is its own statement and
begins where the previous one ended. So memory stays constant for any number, even behind a pooler that keeps no cursor
between statements, and a slow reader holds no snapshot open. The batches are consistent, because entries are fixed once
frozen.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from luxewin.replica import fetch_row, reading_from

BATCH = 10_000
HEADER = "entry_id,first_ticket,count,holder\n"
_EVERY = range(1, 2**31)  # ticket numbers are 32-bit integers in the database
# As PostgreSQL sends them in binary: a UUID as its 16 bytes, numbers as big-endian u64.
_RECORD = "uuid_send(entry_id) || int8send(first_ticket) || int8send(quantity) || holder"
_LINE = "entry_id || ',' || first_ticket || ',' || quantity || ',' || encode(holder, 'hex') || chr(10)"
_BATCH = """
    SELECT count(*), max(first_ticket), string_agg({piece}, '' ORDER BY first_ticket)
    FROM (
        SELECT entry_id, first_ticket, quantity, holder FROM purchases_purchase
        WHERE raffle_id = %s AND status = 'paid' AND first_ticket >= %s AND first_ticket < %s
        ORDER BY first_ticket LIMIT %s
    ) AS batch
"""


def records(raffle_id: UUID, first_tickets: range = _EVERY) -> Iterator[bytes]:
    """Yield the records for `merkle`, BATCH per piece: of all entries, or of those that begin at `first_tickets`."""
    return _pieces(reading_from(), _RECORD, raffle_id, first_tickets)


def lines(raffle_id: UUID) -> Iterator[str]:
    """Return the entries file, header first, then BATCH lines per piece."""
    return chain([HEADER], _pieces(reading_from(), _LINE, raffle_id, _EVERY))


def _pieces(alias: str, piece: str, raffle_id: UUID, first_tickets: range) -> Iterator[Any]:
    start, stop, rows = first_tickets.start, min(first_tickets.stop, _EVERY.stop), BATCH
    while rows == BATCH:
        # In SQL, because the ORM takes longer to write the query than the database to answer for a block.
        rows, last, joined = fetch_row(alias, _BATCH.format(piece=piece), [raffle_id, start, stop, BATCH])
        if rows:
            start = last + 1
            yield joined
