"""QuerySet methods of raffles."""

from typing import Any, Self
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.core.validators import slug_re
from django.db.models import Count, F, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject, Now

from raffles.phases import PHASE, Phase

#: What a list shows of a raffle, beside its prizes and counter; the names of `in_rows`.
IN_LIST = (
    "id",
    "slug",
    "title",
    "description",
    "category",
    "image_url",
    "phase",
    "ticket_price",
    "currency",
    "max_per_person",
    "min_tickets",
    "alternates",
    "opens_at",
    "closes_at",
    "claim_seconds",
    "delay_seconds",
    "commit_within_seconds",
    "debit_percent",
    "question",
    "choices",
    "published_at",
    "closed_at",
    "drawn_at",
    "cancelled_at",
    "cancel_reason",
    "updated_at",
)
#: What else is read for a list.
BESIDE = ("listing", "announced_at", "frozen_at", "read_at", "tickets_sold", "tickets_left")
COUNTED = ("capacity", "held", "sold", "postal")
OF_A_PRIZE = ("position", "name", "description", "retail_value", "cash_alternative")


#: What is true of all raffles in any of these phases. "published" and the like are Raffle.Status.
IMPLIED: tuple[tuple[set[str], Q], ...] = (
    ({Phase.UPCOMING, Phase.OPEN, Phase.CLOSING, Phase.DRAWING}, Q(status="published", drawn_at=None)),
    ({Phase.UPCOMING, Phase.OPEN}, Q(closes_at__gt=Now())),
    ({Phase.CANCELLED}, Q(status="cancelled")),
)


class RaffleQuerySet(QuerySet[Any]):
    """Raffles; chain these."""

    def public(self) -> Self:
        """Keep what anyone may see: everything but drafts."""
        return self.exclude(status=self.model.Status.DRAFT)

    def with_phase(self) -> Self:
        """Add `phase`, by the database's clock, so that a late worker makes no difference, and `read_at`, its time."""
        return self.annotate(phase=PHASE, read_at=Now())

    def in_phases(self, phases: list[str]) -> Self:
        """Keep those in any of these phases, of rows `with_phase`.

        Adds what follows for the columns of an index, which the database cannot know.
        """
        implied = [columns for among, columns in IMPLIED if among.issuperset(phases)]
        return self.filter(*implied, phase__in=phases)

    def in_rows(self) -> QuerySet[Any]:
        """Load all that a list shows as named tuples, in one query; conditions are long, and not among it."""
        from raffles.models import Prize

        prizes = Prize.objects.filter(raffle=OuterRef("pk")).values(
            shown=JSONObject(**{name: name for name in OF_A_PRIZE})
        )
        left = F("counter__capacity") - F("counter__held") - F("counter__sold")
        rows = self.with_phase().annotate(
            prizes_shown=ArraySubquery(prizes), tickets_sold=F("counter__sold"), tickets_left=left
        )
        return rows.values_list(
            *IN_LIST, *BESIDE, "prizes_shown", *(f"counter__{name}" for name in COUNTED), named=True
        )

    def by_category(self) -> QuerySet[Any]:
        """Count what is on sale and what is coming, as {category, open, upcoming}; others are left out."""
        on_sale = self.with_phase().in_phases([Phase.OPEN, Phase.UPCOMING])
        counts = {phase.value: Count("pk", filter=Q(phase=phase)) for phase in (Phase.OPEN, Phase.UPCOMING)}
        return on_sale.order_by("category").values("category").annotate(**counts)

    def in_full(self) -> Self:
        """Load all that the page of one raffle shows, in three queries."""
        return self.with_phase().select_related("counter").prefetch_related("prizes", "additions")

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
