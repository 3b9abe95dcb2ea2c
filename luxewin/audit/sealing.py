"""Sealing: a link of the chain over all rows that wait, made in the background; nobody who writes a row waits for it.

A row waits from the transaction that writes it until the one that seals it: ids that commit out of order, long
transactions and crashes leave none out, and each has one seal.
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
    """Seals every row that waits, BATCH in a transaction; returns how many. Safe to run twice at once, or to kill."""
    total = 0
    while sealed := seal_batch():
        total += sealed
        if sealed < BATCH:
            break
    return total


def seal_batch() -> int:
    """Makes one seal over at most BATCH rows; returns how many, and makes none for 0.

    Locks the head of the chain: of two sealers the second goes on from where the first ended. Cost: five statements.
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
    """Puts the head into the log: whoever keeps the log can show later that nothing before it was changed."""
    head = Head.objects.filter(number__gt=0).first()
    if head:
        log.info("the head of the audit is %s", head)


def _locked_head() -> Head:
    Head.objects.get_or_create(pk=1)
    return Head.objects.select_for_update(no_key=True).get(pk=1)


def _database_time() -> datetime:
    """Read before the rows are taken: what is committed after that moment may be left for the next seal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _taken() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [BATCH])
        return sorted(entry_id for (entry_id,) in cursor)
