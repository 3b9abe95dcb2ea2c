"""The entries of a draw from the database, read in batches: records for the tree, lines for the entries file.

The database assembles a whole batch, so that a million entries take a second. Each batch is its own statement and
begins where the previous one ended. So memory stays constant for any number, even behind a pooler that keeps no cursor
between statements, and a slow reader holds no snapshot open. The batches are consistent, because entries are fixed once
frozen.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection

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
    return _pieces(_RECORD, raffle_id, first_tickets)


def lines(raffle_id: UUID) -> Iterator[str]:
    """Yield the entries file, header first, then BATCH lines per piece."""
    yield HEADER
    for piece in _pieces(_LINE, raffle_id, _EVERY):
        # A slow download must not keep a connection from buyers.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        yield piece


def _pieces(piece: str, raffle_id: UUID, first_tickets: range) -> Iterator[Any]:
    start, stop, rows = first_tickets.start, min(first_tickets.stop, _EVERY.stop), BATCH
    while rows == BATCH:
        # In SQL, because the ORM takes longer to write the query than the database to answer for a block.
        with connection.cursor() as cursor:
            cursor.execute(_BATCH.format(piece=piece), [raffle_id, start, stop, BATCH])  # nosemgrep: sql-by-parameters
            rows, last, joined = cursor.fetchone()
        if rows:
            start = last + 1
            yield joined
