"""Verification: walk the whole chain and name the first row or seal that is not as it was sealed. Reads only.

No transaction is held open: rows and seals are only ever added, so what was read stays true.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from django.db import connection

from luxewin.audit.canonical import GONE, SIZE, VERSION, as_text, read_rows, seal_digest
from luxewin.audit.models import Seal
from luxewin.database import statement_timeout

# A row can become visible this long after it was written: no transaction of ours lasts longer.
LATE = timedelta(minutes=15)
READ_AT_ONCE = 50
WORK = "verify the audit"
ENDS = """
    SELECT head.number, head.digest, seal.digest FROM audit_head AS head
    LEFT JOIN audit_seal AS seal ON seal.number = head.number
"""
STRAY = """
    SELECT id FROM audit_auditentry
    EXCEPT (SELECT unnest(entries) FROM audit_seal UNION ALL SELECT entry_id FROM audit_unsealed)
    ORDER BY id LIMIT 1
"""
WAITING = """
    SELECT count(*), extract(epoch FROM clock_timestamp() - min(entry.at)),
           (array_agg(entry_id ORDER BY entry.at, entry_id))[1], min(entry_id) FILTER (WHERE entry.id IS NULL)
    FROM audit_unsealed LEFT JOIN audit_auditentry AS entry ON entry.id = entry_id
"""


class Wrong(StrEnum):
    """The kinds of faults."""

    CHANGED = "changed"  # the row differs from what was sealed
    REORDERED = "reordered"  # the row has the sealed content of another row
    REMOVED = "removed"  # the row is gone
    INSERTED = "inserted"  # in no seal, and not waiting for one
    BACKDATED = "backdated"  # its time is long before it was written, or after it was sealed
    UNSEALED = "unsealed"  # has waited for its seal for too long
    SEAL_CHANGED = "seal changed"
    SEAL_REMOVED = "seal removed"
    CHAIN_BROKEN = "chain broken"  # a seal does not follow from the one before
    OTHER_HEAD = "other head"  # the chain does not contain the noted head


class Fault(Exception):
    """The first fault: in which row and which seal. Its text is for people."""

    def __init__(self, wrong: Wrong, row: int | None, seal: int | None, detail: str) -> None:
        super().__init__(detail)
        self.wrong, self.row, self.seal = wrong, row, seal


@dataclass(slots=True)
class Verified:
    """What was verified."""

    rows: int = 0
    seals: int = 0
    #: Digest of the newest seal.
    head: str = "0" * 64
    unsealed: int = 0
    #: How long the oldest unsealed row has waited, in seconds.
    waiting: float = 0.0
    _since: str = field(default="", repr=False)

    def follow(self, seal: Seal) -> None:
        """Add the next seal, which was found valid."""
        self.rows += len(seal.entries)
        self.seals, self.head = seal.number, seal.digest
        if seal.is_whole:
            self._since = as_text(seal.sealed_at - LATE)

    def times(self, seal: Seal) -> tuple[str, str]:
        """Return the times between which a row must have been written to have to be in this seal."""
        return self._since, as_text(seal.sealed_at + LATE)


def verify_audit(*, heads: Mapping[int, str], max_wait: timedelta) -> Verified:
    """Verify every row and every seal; raise Fault for the first that is wrong.

    `heads` are digests of seals by number, noted outside the database earlier: they must be in the chain. Rows may wait
    for their seal as long as `max_wait`. Memory is bounded by the size of READ_AT_ONCE seals; time grows with the rows.
    """
    seen = Verified()
    for seal in _seals():
        _check_link(seal, seen)
        _check_rows(seal, seen)
        seen.follow(seal)
        if heads.get(seal.number, seal.digest) != seal.digest:
            raise Fault(Wrong.OTHER_HEAD, None, seal.number, f"seal {seal.number} is not the one that was noted")
    _check_end(seen)
    for number in sorted(heads):
        if number > seen.seals:
            raise Fault(Wrong.OTHER_HEAD, None, number, f"the chain ends at seal {seen.seals}, seal {number} was noted")
    _check_strays()
    _check_waiting(seen, max_wait)
    return seen


def _seals() -> Iterator[Seal]:
    last = 0
    while part := list(Seal.objects.filter(number__gt=last).order_by("number")[:READ_AT_ONCE]):
        yield from part
        last = part[-1].number


def _check_link(seal: Seal, seen: Verified) -> None:
    number, expected = seal.number, seen.seals + 1
    if number != expected:
        raise Fault(Wrong.SEAL_REMOVED, None, expected, f"seal {expected} was removed")
    if seal.version != VERSION or seal.digest != _digest_of(seal):
        raise Fault(Wrong.SEAL_CHANGED, None, number, f"seal {number} was changed")
    if seal.previous != seen.head:
        raise Fault(Wrong.CHAIN_BROKEN, None, number, f"seal {number} does not follow from seal {seen.seals} as it is")


def _digest_of(seal: Seal) -> str:
    digests = _digests(seal)
    if len(digests) != len(seal.entries):
        return ""
    return seal_digest(
        version=seal.version,
        number=seal.number,
        previous=seal.previous,
        sealed_at=seal.sealed_at,
        is_whole=seal.is_whole,
        entries=seal.entries,
        digests=digests,
    )


def _digests(seal: Seal) -> list[bytes]:
    kept = bytes(seal.digests)
    return [kept[start : start + SIZE] for start in range(0, len(kept), SIZE)]


def _check_rows(seal: Seal, seen: Verified) -> None:
    rows, digests = read_rows(seal.entries), _digests(seal)
    (earliest, latest), sealed = seen.times(seal), f"sealed in {seal.number}"
    for entry_id, digest in zip(seal.entries, digests, strict=True):
        row = rows.get(entry_id)
        if row is None or digest == GONE:
            before = ", before it was sealed" if digest == GONE else ""
            raise Fault(Wrong.REMOVED, entry_id, seal.number, f"row {entry_id}, {sealed}, was removed{before}")
        if row.digest != digest:
            other = next((each for each, held in rows.items() if held.under(entry_id) == digest), None)
            if other is None:
                raise Fault(Wrong.CHANGED, entry_id, seal.number, f"row {entry_id}, {sealed}, was changed")
            text = f"row {entry_id}, {sealed}, was reordered: what it held is in row {other}"
            raise Fault(Wrong.REORDERED, entry_id, seal.number, text)
        if not earliest <= row.at <= latest:
            text = f"row {entry_id}, {sealed}, was inserted under a wrong time: {row.at}"
            raise Fault(Wrong.BACKDATED, entry_id, seal.number, text)


def _check_end(seen: Verified) -> None:
    with statement_timeout(WORK, minutes=10), connection.cursor() as cursor:
        cursor.execute(ENDS)
        made, digest, newest = cursor.fetchone() or (0, seen.head, None)
    if made > seen.seals and newest is None:
        raise Fault(Wrong.SEAL_REMOVED, None, seen.seals + 1, f"seal {seen.seals + 1} was removed")
    if made < seen.seals or (made and digest != newest):
        raise Fault(Wrong.CHAIN_BROKEN, None, seen.seals, f"the sealer did not make seal {seen.seals} as it is")


def _check_strays() -> None:
    with statement_timeout(WORK, minutes=10), connection.cursor() as cursor:
        cursor.execute(STRAY)
        stray = cursor.fetchone()
    if stray:
        text = f"row {stray[0]} was inserted past the guard: it is in no seal, and does not wait for one"
        raise Fault(Wrong.INSERTED, stray[0], None, text)


def _check_waiting(seen: Verified, max_wait: timedelta) -> None:
    with statement_timeout(WORK, minutes=10), connection.cursor() as cursor:
        cursor.execute(WAITING)
        seen.unsealed, waiting, oldest, gone = cursor.fetchone()
    if gone is not None:
        raise Fault(Wrong.REMOVED, gone, None, f"row {gone} was removed before it was sealed")
    seen.waiting = float(waiting or 0)
    if seen.waiting > max_wait.total_seconds():
        text = f"row {oldest} has waited for its seal for {seen.waiting:.0f} s: does a worker run?"
        raise Fault(Wrong.UNSEALED, oldest, None, text)
