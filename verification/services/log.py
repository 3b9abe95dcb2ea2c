"""The log of a raffle: leaves get their places, heads are signed, and inclusion is proved.

Leaves are written in the transactions of what they say, by the trigger entries_are_logged and by `record_outcome`. Here
they get their places in batches, under the lock of the log's row, which nobody else takes: no buyer waits for it, and a
process that hangs with it loses it after HANGING.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from luxewin.clock import database_now
from luxewin.database import statement_timeout
from verification import receipts
from verification.log import BLOCK, HASH, NOTHING, UNCLAIMED, Kind, path_of_blocks, reason_hash, root
from verification.log import root_of_blocks as root_of
from verification.models import Draw, Forfeit, Log, LogBlock, LogHead, LogLeaf, Pick
from verification.receipt_keys import private_key

log = logging.getLogger(__name__)
BATCH = 5_000
HEADS_EVERY = timedelta(seconds=10)
# The database ends a session that does nothing for so long while it has the lock.
HANGING = "10s"
# A head covers every leaf that is this much older, those of transactions under way included. The protocol says 60 s;
# `at` is cut to the second.
COVERED_SECONDS = 59

# Whoever takes several batches begins each after the last leaf of the one before. Until nobody can see them any more,
# the index of waiting leaves keeps those that have their place, and each batch would read all of them again.
PLACE = """
    WITH first AS (
        SELECT id FROM verification_logleaf WHERE raffle_id = %(raffle)s AND index IS NULL AND id > %(after)s
        ORDER BY id LIMIT %(batch)s
    ), numbered AS (
        SELECT id, %(size)s + row_number() OVER (ORDER BY id) - 1 AS place FROM first
    ), placed AS (
        UPDATE verification_logleaf AS leaf SET index = numbered.place FROM numbered WHERE leaf.id = numbered.id
        RETURNING leaf.id
    )
    SELECT count(*), coalesce(max(id), 0) FROM placed
"""
# The raffles with leaves that wait: one step of the index for each, however many leaves wait.
WAITING = """
    WITH RECURSIVE waiting AS (
        (SELECT raffle_id FROM verification_logleaf WHERE index IS NULL ORDER BY raffle_id LIMIT 1)
        UNION ALL
        SELECT (
            SELECT raffle_id FROM verification_logleaf WHERE index IS NULL AND raffle_id > waiting.raffle_id
            ORDER BY raffle_id LIMIT 1
        ) FROM waiting WHERE waiting.raffle_id IS NOT NULL
    )
    SELECT raffle_id FROM waiting WHERE raffle_id IS NOT NULL
"""
# The clock, and how far a head's time may go because of transactions that have written leaves and not ended.
CLOCK = """
    SELECT floor(extract(epoch FROM clock_timestamp()))::bigint, (
        SELECT floor(extract(epoch FROM min(activity.xact_start)))::bigint + %s
        FROM pg_locks AS held JOIN pg_stat_activity AS activity ON activity.pid = held.pid
        WHERE held.locktype = 'relation' AND held.relation = 'verification_logleaf'::regclass AND held.granted
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.mode = 'RowExclusiveLock' AND held.pid <> pg_backend_pid()
    )
"""
# No entry id is in two of the rows on either side: one join finds what either side lacks or has otherwise.
UNLOGGED = """
    WITH logged AS (
        SELECT entry_id, a, b, x FROM verification_logleaf AS entered
        WHERE raffle_id = %(raffle)s AND kind = 1 AND index < %(size)s AND NOT EXISTS (
            SELECT FROM verification_logleaf AS withdrawn
            WHERE withdrawn.entry_id = entered.entry_id AND withdrawn.kind = 2 AND withdrawn.index < %(size)s
        )
    ), paid AS (
        SELECT entry_id, first_ticket, quantity, holder FROM purchases_purchase
        WHERE raffle_id = %(raffle)s AND status = 'paid'
    )
    SELECT count(*) FROM logged FULL JOIN paid USING (entry_id)
    WHERE (a, b, x) IS DISTINCT FROM (first_ticket, quantity, holder)
"""
LEAVES = """
    SELECT string_agg(hash, '' ORDER BY index) FROM verification_logleaf
    WHERE raffle_id = %(raffle)s AND index >= %(start)s AND index < %(stop)s
"""
# What a root or a proof of the first `size` leaves is made of: full blocks, the leaves after them, those of one block.
HASHES = """
    SELECT
        (SELECT string_agg(hash, '' ORDER BY number) FROM verification_logblock
         WHERE log_id = %(raffle)s AND number < %(blocks)s),
        (SELECT string_agg(hash, '' ORDER BY index) FROM verification_logleaf
         WHERE raffle_id = %(raffle)s AND index >= %(blocks)s * %(block)s AND index < %(size)s),
        (SELECT string_agg(hash, '' ORDER BY index) FROM verification_logleaf
         WHERE raffle_id = %(raffle)s AND index >= %(start)s AND index < %(stop)s)
"""


class Inclusion(NamedTuple):
    """The proof that a leaf is in the first `size` leaves, and the head of that size, if one was signed."""

    index: int  # type: ignore[assignment]  # the protocol's name, though tuples have a method of that name
    size: int
    proof: list[bytes]
    head: LogHead | None


def waiting_logs() -> list[UUID]:
    """Return the raffles with leaves that have no place yet, and make sure that each has its log's row.

    Cost: one query, and another if there are any.
    """
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        found = [raffle_id for (raffle_id,) in cursor.fetchall()]
    if found:
        Log.objects.bulk_create([Log(raffle_id=raffle_id) for raffle_id in found], ignore_conflicts=True)
    return found


def sequence(raffle_id: UUID) -> int:
    """Give every waiting leaf its place, BATCH in a transaction; return how many got one. Safe in parallel.

    A leaf whose transaction ends meanwhile may be left to the next call. Cost: the same for each leaf, however many.
    """
    placed, after, count = 0, 0, BATCH
    while count == BATCH:
        with _locked(raffle_id) as kept:
            count, after = _place_batch(kept, after)
        placed += count
    return placed


def sign_head(raffle_id: UUID) -> LogHead | None:
    """Sign the log as it is now; None if nothing was added, or nothing can be signed at this moment.

    No leaf is later than its head, and every leaf is in each head that is more than 60 s later. So nothing is signed
    while the clock is behind the newest leaf or head, or a transaction with a leaf has been open for that long, or more
    leaves wait than one batch. The caller tries again. Cost: a dozen statements.
    """
    with _locked(raffle_id) as kept:
        clock, latest = _clock()
        placed, _ = _place_batch(kept)
        if placed == BATCH or kept.size == kept.signed_size:
            return None
        last = kept.heads.first()
        newest = LogLeaf.objects.filter(raffle=raffle_id, index__gte=kept.signed_size, index__lt=kept.size)
        least = max(newest.aggregate(at=Max("at"))["at"], last.at if last else 0)
        at = min(clock, latest)
        if at < least:
            log.warning("the log of %s gets no head: it would be of %s, before %s", raffle_id, at, least)
            return None
        return _sign(kept, at)


def _sign(kept: Log, at: int) -> LogHead | None:
    draw = Draw.objects.filter(pk=kept.pk).only("manifest_hash", "receipt_key").first()
    key = private_key(draw.receipt_key) if draw else None
    if draw is None or key is None:
        log.error("the log of %s gets no head: its receipt key is not among RECEIPT_KEYS", kept.pk)
        return None
    top = _root_at(kept.pk, kept.size)
    manifest_hash = bytes.fromhex(draw.manifest_hash)
    signature = receipts.sign_head(key, manifest_hash=manifest_hash, size=kept.size, root=top, at=at)
    head = LogHead.objects.create(log=kept, size=kept.size, root=top, at=at, signature=signature)
    Log.objects.filter(pk=kept.pk).update(signed_size=kept.size, signed_at=Now())
    return head


def finish(raffle_id: UUID) -> tuple[int, bytes]:
    """Return the size and root of the log of the entries, which is complete: give all that is left its place first.

    Call it in the transaction that freezes the entries, with the raffle locked, so that no leaf is written meanwhile,
    and `sequence` before that, so that the transaction is short. Later calls return the same. Raises OperationalError
    if the lock of the log does not come free in time.
    """
    with transaction.atomic(), _locked(raffle_id) as kept:
        if kept.entries_size is None:
            after, count = 0, BATCH
            while count == BATCH:
                count, after = _place_batch(kept, after)
            kept.entries_size = kept.size
            kept.save(update_fields=["entries_size"])
        return kept.entries_size, _root_at(raffle_id, kept.entries_size)


def unlogged(raffle_id: UUID, size: int) -> int:
    """Count the entries in which the first `size` leaves and the paid purchases differ. Cost: reading both."""
    with statement_timeout("compare the log with the entries", minutes=10), connection.cursor() as cursor:
        cursor.execute(UNLOGGED, {"raffle": raffle_id, "size": size})
        (count,) = cursor.fetchone()
    return int(count)


def record_outcome(pick: Pick, kind: Kind, *, prize: int, reason: str | None = None) -> None:
    """Write the leaf of a pick that was forfeited, or whose prize was handed over, in the caller's transaction.

    `prize` is the position of the prize, 0 for an alternate that had none. The draw is locked, so that leaves follow
    the order of what happened.
    """
    LogLeaf.objects.create(
        raffle_id=pick.draw_id,
        entry_id=pick.purchase.entry_id,
        kind=kind,
        a=pick.position,
        b=prize,
        x=NOTHING if reason is None else reason_hash(reason),
        at=int(database_now().timestamp()),
    )


def logged_reason(kind: str, reason: str) -> str:
    """Return a forfeit's public reason whose hash the log has: the written one, or UNCLAIMED where nobody came."""
    return UNCLAIMED if kind == Forfeit.Kind.UNCLAIMED else reason


def size_of(raffle_id: UUID) -> int:
    """Return how many leaves of the raffle's log have their place."""
    return Log.objects.filter(pk=raffle_id).values_list("size", flat=True).first() or 0


def root_at(raffle_id: UUID, size: int) -> bytes:
    """Return the root of the first `size` leaves. Raises LookupError if there are fewer."""
    if not 0 <= size <= size_of(raffle_id):
        raise LookupError(f"the log has no {size} leaves")
    return _root_at(raffle_id, size)


def prove_leaf(
    raffle_id: UUID, *, leaf_hash: bytes | None = None, entry_id: UUID | None = None, size: int | None = None
) -> Inclusion:
    """Return the proof of a leaf, by its hash, or of the leaf that entered a purchase, by its entry id.

    Without `size`, the newest head's, or if that does not cover the leaf, the log's own. Raises LookupError if the leaf
    is not among the first `size` leaves, or there are fewer. Cost: four queries, and 2,700 SHA-256 among a million.
    """
    known = {"hash": leaf_hash} if entry_id is None else {"entry_id": entry_id, "kind": Kind.ENTERED}
    leaves = LogLeaf.objects.filter(raffle=raffle_id, index__isnull=False, **known)
    index = leaves.order_by("index").values_list("index", flat=True).first()
    if index is None:
        raise LookupError("the log has no such leaf")
    most = size_of(raffle_id)
    heads = LogHead.objects.filter(log=raffle_id)
    head = heads.filter(size=size).first() if size is not None else heads.filter(size__gt=index).first()
    size = size if size is not None else head.size if head else most
    if not index < size <= most:
        raise LookupError(f"the log has no such leaf among its first {size}")
    first = index // BLOCK * BLOCK
    blocks, rest, own = _hashes(raffle_id, size, first, min(first + BLOCK, size))
    return Inclusion(index, size, path_of_blocks(blocks, rest, own, index), head)


@contextmanager
def _locked(raffle_id: UUID) -> Iterator[Log]:
    """Lock the log in a transaction."""
    is_own = not connection.in_atomic_block
    with transaction.atomic():
        if is_own:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [HANGING])
        Log.objects.bulk_create([Log(raffle_id=raffle_id)], ignore_conflicts=True)
        yield Log.objects.select_for_update(no_key=True).get(pk=raffle_id)


def _place_batch(kept: Log, after: int = 0) -> tuple[int, int]:
    """Give the next BATCH leaves with ids above `after` their places, in the order in which they were written.

    Return how many there were, and the last one's id.
    """
    values: dict[str, Any] = {"raffle": kept.pk, "batch": BATCH, "size": kept.size, "after": after}
    with connection.cursor() as cursor:
        cursor.execute(PLACE, values)
        count, last = cursor.fetchone()
    if not count:
        return 0, after
    full = range(kept.size // BLOCK, (kept.size + count) // BLOCK)
    kept.size += count
    if full:
        _store_blocks(kept, full)
    kept.save(update_fields=["size"])
    return count, last


def _store_blocks(kept: Log, numbers: range) -> None:
    """Store the hashes of these blocks, which have become full."""
    with connection.cursor() as cursor:
        cursor.execute(LEAVES, {"raffle": kept.pk, "start": numbers.start * BLOCK, "stop": numbers.stop * BLOCK})
        hashes = _split(*cursor.fetchone())
    roots = (root(hashes[place : place + BLOCK]) for place in range(0, len(hashes), BLOCK))
    LogBlock.objects.bulk_create(
        LogBlock(log=kept, number=number, hash=block) for number, block in zip(numbers, roots, strict=True)
    )


def _clock() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(CLOCK, [COVERED_SECONDS])
        clock, latest = cursor.fetchone()
    return clock, clock if latest is None else latest


def _root_at(raffle_id: UUID, size: int) -> bytes:
    blocks, rest, _ = _hashes(raffle_id, size)
    return root_of(blocks, rest)


def _hashes(raffle_id: UUID, size: int, start: int = 0, stop: int = 0) -> list[list[bytes]]:
    """Return the hashes of full blocks, of the leaves after them, and of the leaves from `start` to `stop`."""
    values: dict[str, Any] = {"raffle": raffle_id, "size": size, "blocks": size // BLOCK, "block": BLOCK}
    values |= {"start": start, "stop": stop}
    with connection.cursor() as cursor:
        cursor.execute(HASHES, values)
        return [_split(joined) for joined in cursor.fetchone()]


def _split(joined: bytes | None) -> list[bytes]:
    joined = bytes(joined or b"")
    return [joined[start : start + HASH] for start in range(0, len(joined), HASH)]
