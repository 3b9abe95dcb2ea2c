"""Queries for draws."""

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
)
from django.db.models.functions import Greatest, JSONObject, Now

# Longer than every pause between two tries, and than the period of any beacon.
LONGEST_PAUSE = timedelta(minutes=10)

#: What is shown of a draw as it is stored; the names of `in_rows`.
SHOWN = (
    "sequence",
    "state",
    "manifest_hash",
    "root",
    "tickets",
    "entries",
    "log_root",
    "log_size",
    "commitment",
    "committed_at",
    "round",
    "signature",
    "randomness",
    "seed",
    "void_after",
    "void_declared_at",
    "void_reason",
    "contradiction",
)
BESIDE = (
    "manifest",
    "raffle_id",
    "raffle__slug",
    "raffle__title",
    "contract_id",
    "contract__chain_id",
    "contract__address",
    "steps_shown",
    "picks_shown",
    "undone_shown",
)
#: All that is shown of a pick depends on, by the names of `picks_shown`.
OF_A_PICK = {
    "position": "position",
    "index": "index",
    "ticket": "ticket",
    "prize": "prize__name",
    "entry_id": "purchase__entry_id",
    "display_name": "purchase__buyer__display_name",
    "named": "purchase__buyer__preferences__winner_name",
    "forfeited": "forfeit__kind",
    "reason": "forfeit__reason",
    "award": "award__id",
    "claimed_at": "award__claimed_at",
    "lost_at": "award__lost_at",
    "awarded": "award__prize__name",
    "awarded_position": "award__prize__position",
}
#: The same of a decision that a reorganisation undid, and of a step on the chain.
OF_AN_UNDONE_DECISION = {name: name for name in ("committed_at", "round", "signature", "seed", "picks", "at")}
OF_A_STEP = {
    "step": "step",
    "hash": "transaction__hash",
    "block": "transaction__block",
    "block_time": "transaction__block_time",
}


class DrawQuerySet(QuerySet[Any]):
    """Draws; the methods chain."""

    def for_display(self) -> Self:
        """Read all that bundles show of draws, in three queries."""
        from verification.models import Pick

        picks = Prefetch("picks", Pick.objects.select_related("prize", "purchase"))
        return self._with_steps().prefetch_related(picks)

    def for_page(self) -> Self:
        """Read all that the page of a draw shows, in three queries, with `picks_shown` as `in_rows` has them."""
        return self._with_steps().prefetch_related("undone_decisions").annotate(picks_shown=_picks())

    def in_rows(self) -> QuerySet[Any]:
        """Load all that the API shows of draws as named tuples, in one query."""
        from verification.models import ChainStep, UndoneDecision

        steps = ChainStep.objects.filter(draw=OuterRef("pk"), live=True).values(shown=JSONObject(**OF_A_STEP))
        undone = UndoneDecision.objects.filter(draw=OuterRef("pk")).values(shown=JSONObject(**OF_AN_UNDONE_DECISION))
        rows = self.annotate(steps_shown=ArraySubquery(steps), picks_shown=_picks(), undone_shown=ArraySubquery(undone))
        return rows.values_list(*SHOWN, *BESIDE, named=True)

    def _with_steps(self) -> Self:
        from verification.models import ChainStep

        steps = Prefetch("steps", ChainStep.objects.filter(live=True).select_related("transaction"))
        return self.select_related("raffle", "contract").prefetch_related(steps)

    def of_raffle(self, named: str) -> Self:
        """Filter the draw of a raffle, by its id or slug."""
        try:
            return self.filter(pk=UUID(named))
        except ValueError:
            return self.filter(raffle__slug=named)

    def open(self) -> Self:
        """Filter draws that are not over: without a chain they are once they are drawn."""
        state = self.model.State
        return self.filter(Q(state=state.DRAWN, contract__isnull=False) | ~Q(state__in=[*self.model.HELD, state.VOID]))

    def unfinished(self) -> Self:
        """Filter draws with a step that is left and due.

        A due time further away than anything that a draw waits for must be wrong, and counts as due.
        """
        sold = ~Q(state=self.model.State.ANNOUNCED) | Q(raffle__closed_at__isnull=False)
        committed = Func(F("committed_at") + F("raffle__delay_seconds"), function="to_timestamp")
        void_delay = Func(F("void_after"), template="make_interval(secs => %(expressions)s)")
        declared = ExpressionWrapper(
            F("void_declared_at") + ExpressionWrapper(void_delay, DurationField()), DateTimeField()
        )
        # Without a commitment or a declaration these are null, which GREATEST ignores.
        awaited = Greatest(Now(), ExpressionWrapper(committed, DateTimeField()), declared)
        is_due = Q(due_at__lte=Now()) | Q(due_at__gt=awaited + LONGEST_PAUSE)
        return self.open().filter(sold & is_due)


def _picks() -> ArraySubquery:
    from verification.models import Pick

    return ArraySubquery(Pick.objects.filter(draw=OuterRef("pk")).values(shown=JSONObject(**OF_A_PICK)))
