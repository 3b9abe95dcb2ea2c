"""Reads of draws."""

from typing import Any, Self

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Now


class DrawQuerySet(QuerySet[Any]):
    """Draws; chain these."""

    def for_display(self) -> Self:
        """All that a page of draws shows, in three queries."""
        from verification.models import Pick

        picks = Prefetch("picks", Pick.objects.select_related("prize", "purchase__buyer__preferences"))
        return self.select_related("raffle", "contract").prefetch_related(picks, "transactions")

    def unfinished(self) -> Self:
        """A step is left to take, and its time has come."""
        state = self.model.State
        # A contract takes the numbers one after the other: only the first of its promised draws can be announced.
        ours = self.model.objects.filter(contract=OuterRef("contract"), sequence__lt=OuterRef("sequence"))
        waits_for_work = (
            (Q(state=state.PROMISED) & ~Exists(ours.filter(state=state.PROMISED)))
            | Q(state=state.ANNOUNCED, raffle__closed_at__isnull=False)
            | Q(state__in=[state.FROZEN, state.COMMITTED])
            | Q(state=state.DRAWN, contract__isnull=False)
        )
        return self.filter(waits_for_work, due_at__lte=Now())
