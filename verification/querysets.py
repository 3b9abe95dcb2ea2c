"""Reads of draws."""

from typing import Any, Self

from django.db.models import Q, QuerySet
from django.db.models.functions import Now


class DrawQuerySet(QuerySet[Any]):
    """Draws; chain these."""

    def for_display(self) -> Self:
        """All that a page of draws shows, in three queries."""
        people = "picks__purchase__buyer__preferences"
        return self.select_related("raffle", "contract").prefetch_related("picks__prize", people, "transactions")

    def unfinished(self) -> Self:
        """A step is left to take, and its time has come."""
        state = self.model.State
        waits_for_work = (
            Q(state=state.PROMISED)
            | Q(state=state.ANNOUNCED, raffle__closed_at__isnull=False)
            | Q(state__in=[state.FROZEN, state.COMMITTED])
            | Q(state=state.DRAWN, contract__isnull=False)
        )
        return self.filter(waits_for_work, due_at__lte=Now())
