"""Whether every month of everybody was within the limit in force when they bought: from the audit and the purchases."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from accounts.models import SpendLimit
from luxewin.audit.models import AuditEntry
from purchases.models import Purchase

COUNTED = [*Purchase.HOLDING, Purchase.Status.PAID]


def passed_limits() -> Iterator[str]:
    """Each purchase with which somebody passed their limit, in words; none if all is well."""
    changes = _changes()
    months: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for each in Purchase.objects.filter(status__in=COUNTED).order_by("created_at"):
        key = (each.buyer_id, each.currency, each.created_at.year, each.created_at.month)
        months[key] += each.amount
        limit = _limit_at(changes[each.buyer_id], each.currency, each.created_at)
        if limit is not None and months[key] > limit:
            yield f"with purchase {each.pk} {each.buyer_id} spent {months[key]} {each.currency}, the limit was {limit}"


def _changes() -> defaultdict[Any, list[AuditEntry]]:
    """Every change of a limit, by person, in order."""
    owners = dict(SpendLimit.objects.values_list("pk", "user"))
    changes: defaultdict[Any, list[AuditEntry]] = defaultdict(list)
    for entry in AuditEntry.objects.filter(action="safeguards.limited").order_by("id"):
        changes[owners[int(entry.subject_id)]].append(entry)
    return changes


def _limit_at(changes: list[AuditEntry], currency: str, at: datetime) -> int | None:
    limits: dict[str, int | None] = {}
    for entry in changes:
        if entry.at <= at:
            raised = entry.after["next_from"] and datetime.fromisoformat(entry.after["next_from"]) <= at
            limits[entry.after["currency"]] = entry.after["next_limit" if raised else "limit"]
    if any(limit is not None for limit in limits.values()):
        return limits.get(currency, 0)
    return None
