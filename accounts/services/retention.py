"""Applying the rules of retention in batches, and changing them."""

from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import RetentionRule, User
from accounts.privacy.retention import REMOVERS
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now

BUDGET_SECONDS = 60  # half of a task's time limit, checked between batches; the rest is due again


def count_due(rule: RetentionRule) -> int:
    """Return how many rows a rule would remove now."""
    return REMOVERS[rule.what].due(database_now() - _kept(rule)).count()


def apply_rule(what: str) -> int:
    """Remove what the rule no longer keeps, one batch per transaction; return how many. Idempotent.

    Stops after BUDGET_SECONDS.
    """
    rule = RetentionRule.objects.get(pk=what)
    before = database_now() - _kept(rule)
    removed, last, deadline = 0, None, monotonic() + BUDGET_SECONDS
    while monotonic() < deadline:
        gone, last = _remove_batch(rule, before, last)
        removed += gone
        if last is None:
            RetentionRule.objects.filter(pk=what).update(ran_at=Now(), claimed_until=None)
            break
    return removed


def _remove_batch(rule: RetentionRule, before: datetime, last: Any) -> tuple[int, Any]:
    """Remove the next batch and audit it; return how many went and the last key examined, None at the end.

    It goes on from `last`, so a row that could not go does not hold up the others.
    """
    remover = REMOVERS[rule.what]
    due = remover.due(before).order_by("pk")
    with transaction.atomic():
        keys = list((due if last is None else due.filter(pk__gt=last)).values_list("pk", flat=True)[: remover.batch])
        if not keys:
            return 0, None
        removed = remover.remove(due.model._base_manager.filter(pk__in=keys))  # noqa: SLF001
        if removed:
            record("retention.applied", rule, after={"removed": removed, "before": before.isoformat()})
    return removed, keys[-1]


def change_rule(what: str, *, keep_days: int, why: str, actor: User) -> RetentionRule:
    """Set how long something is kept, and why; raise InvalidInput below the minimum that the code sets."""
    floor = REMOVERS[what].floor_days
    if keep_days < floor:
        raise InvalidInput.of("keep_days", "below_floor", f"This must be kept for at least {floor} days.")
    with transaction.atomic():
        rule = RetentionRule.objects.select_for_update().get(pk=what)
        before = {"keep_days": rule.keep_days, "why": rule.why}
        rule.keep_days, rule.why = keep_days, why
        rule.save(update_fields=["keep_days", "why"])
        record("retention.changed", rule, actor=actor, before=before, after={"keep_days": keep_days, "why": why})
    return rule


def _kept(rule: RetentionRule) -> timedelta:
    """Return the days to keep; the minimum applies even to a smaller number written past `change_rule`."""
    return timedelta(days=max(rule.keep_days, REMOVERS[rule.what].floor_days))
