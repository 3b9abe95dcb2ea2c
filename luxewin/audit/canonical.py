"""The bytes that seals cover: canonical JSON (RFC 8785) of texts made by PostgreSQL, and their SHA-256.

Every value of a row is text, or null. `before` and `after` are the text that PostgreSQL prints of its jsonb, which is
the same for the same stored value: so none of their numbers passes through a float. A version never changes; new
columns make a new one.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db import connection

VERSION = 1
SIZE = 32
#: Replaces the digest of a row that was gone before it could be sealed.
GONE = bytes(SIZE)
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
COLUMNS = {
    "id": "id::text",
    "at": _TIME.format("at"),
    "actor": "actor::text",
    "action": "action",
    "subject_type": "subject_type",
    "subject_id": "subject_id",
    "before": "before::text",
    "after": "after::text",
    "address": "address::text",
    "request_id": "request_id",
}
READ = f"SELECT id, {', '.join(COLUMNS.values())} FROM audit_auditentry WHERE id = ANY(%s)"  # noqa: S608 columns


def canonical(content: dict[str, Any]) -> bytes:
    """Return the RFC 8785 bytes of texts, null, true, false and small integers, under plain names.

    For such content the standard library's encoder writes the same bytes as the package `rfc8785`, thirty times as
    fast.
    """
    return _ENCODER.encode(content).encode()


@dataclass(frozen=True, slots=True)
class Row:
    """An audit row as texts, by column name."""

    values: dict[str, str | None]

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of its canonical bytes."""
        return sha256(canonical(self.values)).digest()

    @property
    def at(self) -> str:
        """When it was written, as `as_text` formats it; such texts sort as times do. Empty for no time at all."""
        return self.values["at"] or ""

    def under(self, entry_id: int) -> bytes:
        """Return the digest that it would have under another id."""
        return Row(self.values | {"id": str(entry_id)}).digest


def read_rows(ids: Iterable[int]) -> dict[int, Row]:
    """Return the existing rows of these ids. Cost: one query."""
    with connection.cursor() as cursor:
        cursor.execute(READ, [list(ids)])
        return {entry_id: Row(dict(zip(COLUMNS, values, strict=True))) for entry_id, *values in cursor}


def seal_digest(
    *,
    version: int,
    number: int,
    previous: str,
    sealed_at: datetime,
    is_whole: bool,
    entries: Sequence[int],
    digests: Sequence[bytes],
) -> str:
    """Return a seal's expected digest, in hexadecimal digits. Ids are texts, since JSON's integers end at 2^53."""
    content = {
        "version": version,
        "number": str(number),
        "previous": previous,
        "sealed_at": as_text(sealed_at),
        "is_whole": is_whole,
        "rows": [[str(entry_id), digest.hex()] for entry_id, digest in zip(entries, digests, strict=True)],
    }
    return sha256(canonical(content)).hexdigest()


def as_text(moment: datetime) -> str:
    """Format in UTC, with microseconds, as `COLUMNS` does."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
