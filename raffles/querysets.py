"""QuerySet methods of raffles."""

from typing import Any, Self
from uuid import UUID

from django.core.validators import slug_re
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from raffles.phases import PHASE


class RaffleQuerySet(QuerySet[Any]):
    """Raffles; chain these."""

    def public(self) -> Self:
        """Keep what anyone may see: everything but drafts."""
        return self.exclude(status=self.model.Status.DRAFT)

    def with_phase(self) -> Self:
        """Add `phase`, by the database's clock, so that a late worker makes no difference."""
        return self.annotate(phase=PHASE)

    def for_display(self) -> Self:
        """Load all that a page of raffles shows, in two queries; conditions are long, and not among it."""
        return self.with_phase().select_related("counter").prefetch_related("prizes")

    def in_full(self) -> Self:
        """Load all that the page of one raffle shows, in three queries."""
        return self.for_display().prefetch_related("additions")

    def named(self, name: str) -> Self:
        """Keep the one with this id or slug; none for any other text."""
        try:
            return self.filter(pk=UUID(name))
        except ValueError:
            return self.filter(slug=name) if slug_re.fullmatch(name) else self.none()

    def due_to_close(self) -> Self:
        """Keep those past their closing time, or sold out, and not yet closed."""
        over = Q(closes_at__lte=Now()) | Q(counter__sold=F("counter__capacity"))
        return self.filter(over, status=self.model.Status.PUBLISHED, closed_at=None)
