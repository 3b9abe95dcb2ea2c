"""Writing of the audit."""

from typing import Any, Protocol
from uuid import UUID

from luxewin.api.requests import current_request
from luxewin.audit.models import AuditEntry


class Actor(Protocol):
    """Anybody with an id; services pass None where the system acts by itself."""

    id: UUID


def record(
    action: str,
    subject: Any,
    *,
    actor: Actor | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Writes one row about `subject` (a model instance), in the caller's transaction: no change without its row.

    Address and request id come from the request in hand, if any. Cost: one INSERT.
    """
    request = current_request()
    AuditEntry.objects.create(
        actor=actor.id if actor else None,
        action=action,
        subject_type=subject._meta.model_name,  # noqa: SLF001 Django's public name for it
        subject_id=str(subject.pk),
        before=before or {},
        after=after or {},
        address=request.address,
        request_id=request.request_id,
    )
