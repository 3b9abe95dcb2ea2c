"""Writing audit rows."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

from django.db import connection

from luxewin.api.requests import current_request
from luxewin.audit.models import AuditEntry

# For thousands of rows at once: making an object of each would take most of the time.
RECORD_ALL = """
    INSERT INTO audit_auditentry (actor, action, address, request_id, subject_type, subject_id, before, after)
    SELECT %s, %s, %s, %s, row.subject_type, row.subject_id, %s, row.after
    FROM unnest(%s::text[], %s::text[], %s::jsonb[]) AS row(subject_type, subject_id, after)
"""


class Actor(Protocol):
    """Anybody with an id; services pass None if the system acts by itself."""

    id: UUID


_acting: ContextVar[UUID | None] = ContextVar("luxewin_acting", default=None)


@contextmanager
def acting(actor: Actor | None) -> Iterator[None]:
    """Set the actor of rows written within that name none: for changes that signals report."""
    token = _acting.set(actor.id if actor else None)
    try:
        yield
    finally:
        _acting.reset(token)


def record(
    action: str,
    subject: Any,
    *,
    actor: Actor | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write one row about `subject` (a model instance), in the caller's transaction: no change without its row.

    Address and request id come from the current request, if any. Cost: one INSERT.
    """
    request = current_request()
    AuditEntry.objects.create(
        actor=actor.id if actor else _acting.get(),
        action=action,
        subject_type=subject._meta.model_name,  # noqa: SLF001 Django's public name for it
        subject_id=_key_of(subject),
        before=before or {},
        after=after or {},
        address=request.address,
        request_id=request.request_id,
    )


def record_all(
    action: str,
    changes: Iterable[tuple[Any, dict[str, Any]]],
    *,
    actor: Actor | None = None,
    before: dict[str, Any] | None = None,
) -> None:
    """Write one row for each pair of `subject` and `after`; all of them were `before`. Cost: one INSERT."""
    request = current_request()
    rows = [(subject._meta.model_name, _key_of(subject), json.dumps(after)) for subject, after in changes]  # noqa: SLF001
    kinds, keys, afters = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    with connection.cursor() as cursor:
        facts = [actor.id if actor else _acting.get(), action, request.address, request.request_id]
        cursor.execute(RECORD_ALL, [*facts, json.dumps(before or {}), kinds, keys, afters])


def _key_of(subject: Any) -> str:
    return subject.pk.hex() if isinstance(subject.pk, bytes) else str(subject.pk)
