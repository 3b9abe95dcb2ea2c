"""Queries for draws."""

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Func, Prefetch, Q, QuerySet
from django.db.models.functions import Greatest, Now

# Longer than every pause between two tries, and than the period of any beacon.
LONGEST_PAUSE = timedelta(minutes=10)


class DrawQuerySet(QuerySet[Any]):
    """Draws; the methods chain."""

    def for_display(self) -> Self:
        """Read all that is shown of draws, in four queries, with their picks' paths, which only bundles need."""
        return self._with_picks()

    def without_paths(self) -> Self:
        """Read all that pages and lists show of draws, in four queries."""
        return self._with_picks("path")

    def _with_picks(self, *deferred: str) -> Self:
        from verification.models import ChainStep, Pick

        shown = ("prize", "purchase__buyer__preferences", "forfeit", "award__prize")
        picks = Prefetch("picks", Pick.objects.select_related(*shown).defer(*deferred))
        steps = Prefetch("steps", ChainStep.objects.filter(live=True).select_related("transaction"))
        return self.select_related("raffle", "contract").prefetch_related(picks, steps, "undone_decisions")

    def of_raffle(self, named: str) -> Self:
        """Filter the draw of a raffle, by its id or slug."""
        try:
            return self.filter(pk=UUID(named))
        except ValueError:
            return self.filter(raffle__slug=named)

    def unfinished(self) -> Self:
        """Filter draws with a step that is left and due.

        A due time further away than anything that a draw waits for must be wrong, and counts as due.
        """
        state = self.model.State
        waits_for_work = (
            Q(state=state.ANNOUNCED, raffle__closed_at__isnull=False)
            | Q(state__in=[state.PROMISED, state.FROZEN, state.COMMITTED])
            | Q(state=state.DRAWN, contract__isnull=False)
        )
        committed = Func(F("committed_at") + F("raffle__delay_seconds"), function="to_timestamp")
        void_delay = Func(F("void_after"), template="make_interval(secs => %(expressions)s)")
        declared = ExpressionWrapper(
            F("void_declared_at") + ExpressionWrapper(void_delay, DurationField()), DateTimeField()
        )
        # Without a commitment or a declaration these are null, which GREATEST ignores.
        awaited = Greatest(Now(), ExpressionWrapper(committed, DateTimeField()), declared)
        is_due = Q(due_at__lte=Now()) | Q(due_at__gt=awaited + LONGEST_PAUSE)
        return self.filter(waits_for_work & is_due)
