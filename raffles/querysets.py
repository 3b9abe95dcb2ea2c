"""Reads of raffles."""

from typing import Any, Self

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.functions import Now


class RaffleQuerySet(QuerySet[Any]):
    """Raffles; chain these."""

    def public(self) -> Self:
        """What anyone may see: everything but drafts."""
        return self.exclude(status=self.model.Status.DRAFT)

    def with_phase(self) -> Self:
        """Adds `phase`, decided by the database's clock and not by a worker's punctuality."""
        from raffles.models import Phase

        status = self.model.Status
        return self.annotate(
            phase=Case(
                When(status=status.DRAFT, then=Value(Phase.DRAFT)),
                When(status=status.CANCELLED, then=Value(Phase.CANCELLED)),
                When(drawn_at__isnull=False, then=Value(Phase.DRAWN)),
                When(frozen_at__isnull=False, then=Value(Phase.DRAWING)),
                When(closed_at__isnull=False, then=Value(Phase.CLOSING)),
                When(closes_at__lte=Now(), then=Value(Phase.CLOSING)),
                When(opens_at__gt=Now(), then=Value(Phase.UPCOMING)),
                default=Value(Phase.OPEN),
                output_field=CharField(),
            )
        )

    def for_display(self) -> Self:
        """All that a page of raffles shows, in two queries."""
        return self.with_phase().select_related("counter").prefetch_related("prizes")

    def due_to_close(self) -> Self:
        """Past their closing time, or sold out, and not yet closed."""
        over = Q(closes_at__lte=Now()) | Q(counter__sold=F("counter__capacity"))
        return self.filter(over, status=self.model.Status.PUBLISHED, closed_at=None)
