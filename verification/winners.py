"""The gallery of winners: who holds which prize today, as they chose to be named: `winners/list`."""

from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from luxewin.api.pagination import CursorPages
from luxewin.api.public_reads import public_read
from luxewin.api.ratelimits import limited
from luxewin.api.views import StrictViewSet
from purchases.serializers import RaffleNameSerializer
from raffles.models import Raffle
from verification.models import Award, Outcome, derived_outcome
from verification.serializers import name_of

OF_RAFFLE = ("id", "slug", "title", "category", "image_url", "currency", "drawn_at")
RAFFLE, BUYER = "pick__draw__raffle", "pick__purchase__buyer"
#: What is read of an award.
COLUMNS = (
    "id",
    "at",
    "claimed_at",
    "prize__name",
    "prize__retail_value",
    "pick__ticket",
    "pick__prize_id",
    f"{BUYER}__display_name",
    f"{BUYER}__preferences__winner_name",
    *(f"{RAFFLE}__{name}" for name in OF_RAFFLE),
)
OF_THE_HOLDER = (Outcome.WINNER, Outcome.STEPPED_UP, Outcome.CLAIMED)


class WonRaffleSerializer(RaffleNameSerializer):
    """The raffle of a prize."""

    category = serializers.ChoiceField(choices=Raffle.Category.choices)
    image_url = serializers.CharField(help_text="Empty if there is none.")
    currency = serializers.CharField()
    drawn_at = serializers.DateTimeField()


class WinnerSerializer(serializers.Serializer):
    """Who holds a prize today."""

    raffle = WonRaffleSerializer()
    prize = serializers.CharField()
    retail_value = serializers.IntegerField(allow_null=True, help_text="In the unit of the raffle's ticket price.")
    ticket = serializers.IntegerField()
    name = serializers.CharField(help_text="As the person chose to be named; empty if they did not want to be.")
    outcome = serializers.ChoiceField(choices=[(each.value, each.label) for each in OF_THE_HOLDER])
    won_at = serializers.DateTimeField(help_text="Of an alternate, when the prize passed to them.")


class WinnerFilter(django_filters.FilterSet):
    """`?category=watch&category=car&raffle=a-fine-watch&since=2026-11-01&until=2026-11-30`."""

    category = django_filters.MultipleChoiceFilter(f"{RAFFLE}__category", choices=Raffle.Category.choices)
    raffle = django_filters.CharFilter(method="of_raffle", max_length=80, help_text="Id or slug.")
    since = django_filters.DateFilter(
        method="from_day", input_formats=["%Y-%m-%d"], help_text="The first day on which prizes were won, in UTC."
    )
    until = django_filters.DateFilter(
        method="to_day", input_formats=["%Y-%m-%d"], help_text="The last day on which prizes were won, in UTC."
    )

    class Meta:
        model = Award
        fields: list[str] = []

    def of_raffle(self, awards: QuerySet[Any], name: str, raffle: str) -> QuerySet[Any]:
        """Keep those of the raffle with this id or slug; none for any other text."""
        return awards.filter(pick__draw__in=Raffle.objects.public().named(raffle).values("pk"))

    def from_day(self, awards: QuerySet[Any], name: str, day: date) -> QuerySet[Any]:
        """Keep those of this day and later."""
        return awards.filter(at__gte=datetime.combine(day, time.min, UTC))

    def to_day(self, awards: QuerySet[Any], name: str, day: date) -> QuerySet[Any]:
        """Keep those of this day and earlier."""
        return awards.filter(at__lte=datetime.combine(day, time.max, UTC))


@cache
def _listed() -> QuerySet[Any]:
    """Return the prizes that somebody holds, of draws that are final: made once, as making it costs much."""
    held = Award.objects.filter(lost_at=None, **{f"{RAFFLE}__drawn_at__isnull": False})
    return held.values_list(*COLUMNS, named=True)


def _shown(row: Any) -> dict[str, Any]:
    """Return a row of `_listed` as WinnerSerializer describes it."""
    outcome = derived_outcome(
        is_alternate=row.pick__prize_id is None,
        forfeited=None,
        is_called=True,
        is_claimed=row.claimed_at is not None,
    )
    return {
        "raffle": {name: getattr(row, f"{RAFFLE}__{name}") for name in OF_RAFFLE},
        "prize": row.prize__name,
        "retail_value": row.prize__retail_value,
        "ticket": row.pick__ticket,
        "name": name_of(getattr(row, f"{BUYER}__display_name"), getattr(row, f"{BUYER}__preferences__winner_name")),
        "outcome": outcome.value,
        "won_at": row.at,
    }


class WinnerPages(CursorPages):
    """Pages of winners, newest first; those of one draw in the order of its prizes."""

    ordering = ("-at", "id")  # type: ignore[assignment]
    shared = staticmethod(_listed)


class WinnersViewSet(StrictViewSet):
    """Who won what."""

    permission_classes = [AllowAny]
    queryset = Award.objects.none()
    pagination_class = WinnerPages
    filterset_class = WinnerFilter

    @extend_schema(responses=WinnerSerializer(many=True))
    @limited("300/m")
    @public_read(filters=WinnerFilter, pages=WinnerPages)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the winners of all draws, newest first, as each chose to be named.

        Who lost a prize, because they were disqualified or never came for it, is not among them; whoever has it now is.
        """
        winners = _listed()
        # The form of the filters costs as much as the query.
        if request.query_params.keys() & WinnerFilter.base_filters.keys():
            winners = self.filter_queryset(winners)
        return self.get_paginated_response([_shown(row) for row in self.paginate_queryset(winners) or ()])
