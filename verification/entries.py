"""The entries of a draw as the books have them, read in batches: records for the tree, lines for the entries file.

The database puts a whole batch together, so that a million entries take a second. Each batch is a statement of its
own that begins where the one before ended: memory stays flat for any number, also behind a pooler that keeps no cursor
between statements, and nobody who reads slowly holds a snapshot open. That the batches fit together follows from the
entries being fixed once they are frozen.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection

BATCH = 10_000
HEADER = "entry_id,first_ticket,count\n"
_EVERY = range(1, 2**31)  # ticket numbers are 32-bit integers in the books
# As PostgreSQL sends them in binary: a UUID as its 16 bytes, numbers as u64, the highest byte first.
_RECORD = "uuid_send(entry_id) || int8send(first_ticket) || int8send(quantity)"
_LINE = "entry_id || ',' || first_ticket || ',' || quantity || chr(10)"
_BATCH = """
    SELECT count(*), max(first_ticket), string_agg({piece}, '' ORDER BY first_ticket)
    FROM (
        SELECT entry_id, first_ticket, quantity FROM purchases_purchase
        WHERE raffle_id = %s AND status = 'paid' AND first_ticket >= %s AND first_ticket < %s
        ORDER BY first_ticket LIMIT %s
    ) AS batch
"""


def records(raffle_id: UUID, first_tickets: range = _EVERY) -> Iterator[bytes]:
    """The records of `merkle`, BATCH a piece; of all entries, or those that begin at one of these tickets."""
    return _pieces(_RECORD, raffle_id, first_tickets)


def lines(raffle_id: UUID) -> Iterator[str]:
    """The entries file, BATCH lines a piece, its header first."""
    yield HEADER
    for piece in _pieces(_LINE, raffle_id, _EVERY):
        # Who takes the file slowly must not keep a connection from those who buy.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        yield piece


def _pieces(piece: str, raffle_id: UUID, first_tickets: range) -> Iterator[Any]:
    start, stop, rows = first_tickets.start, min(first_tickets.stop, _EVERY.stop), BATCH
    while rows == BATCH:
        # Written out, since the ORM takes longer to write it than the database to answer for a block.
        with connection.cursor() as cursor:
            cursor.execute(_BATCH.format(piece=piece), [raffle_id, start, stop, BATCH])  # nosemgrep: sql-by-parameters
            rows, last, joined = cursor.fetchone()
        if rows:
            start = last + 1
            yield joined
