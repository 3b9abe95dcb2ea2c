"""Sealing: a background task adds a link of the chain over all unsealed rows, so that writing a row waits for nothing.

A row waits from the transaction that writes it until the one that seals it: so out-of-order commits, long transactions
and crashes leave no row out, and each has one seal.
"""

import logging
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from luxewin.audit.canonical import GONE, VERSION, read_rows, seal_digest
from luxewin.audit.models import Head, Seal

log = logging.getLogger(__name__)
BATCH = 1_000
TAKE = """
    DELETE FROM audit_unsealed WHERE entry_id IN (SELECT entry_id FROM audit_unsealed ORDER BY entry_id LIMIT %s)
    RETURNING entry_id
"""


def seal_waiting() -> int:
    """Seal every waiting row, BATCH per transaction; return how many. Safe to run concurrently, or to kill."""
    total = 0
    while sealed := seal_batch():
        total += sealed
        if sealed < BATCH:
            break
    return total


def seal_batch() -> int:
    """Make one seal over at most BATCH rows, or none if there are none; return how many.

    Locks the head of the chain: of two sealers the second continues after the first. Cost: five statements.
    """
    with transaction.atomic():
        head = _locked_head()
        sealed_at = _database_time()
        entries = _taken()
        if not entries:
            return 0
        rows = read_rows(entries)
        digests = [rows[each].digest if each in rows else GONE for each in entries]
        facts: dict[str, Any] = {
            "version": VERSION,
            "number": head.number + 1,
            "previous": head.digest,
            "sealed_at": sealed_at,
            "is_whole": len(entries) < BATCH,
            "entries": entries,
        }
        seal = Seal(
            **facts,
            digests=b"".join(digests),
            first_entry=entries[0],
            last_entry=entries[-1],
            digest=seal_digest(**facts, digests=digests),
        )
        seal.save(force_insert=True)
        Head.objects.filter(pk=head.pk).update(number=seal.number, digest=seal.digest)
    return len(entries)


def log_head() -> None:
    """Write the head to the log: a kept log can later prove that nothing before it was changed."""
    head = Head.objects.filter(number__gt=0).first()
    if head:
        log.info("the head of the audit is %s", head)


def _locked_head() -> Head:
    Head.objects.get_or_create(pk=1)
    return Head.objects.select_for_update(no_key=True).get(pk=1)


def _database_time() -> datetime:
    """Return the time before the rows are read: rows committed after it may be left for the next seal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _taken() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [BATCH])
        return sorted(entry_id for (entry_id,) in cursor)
