"""The API of raffles."""

from functools import cache
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import has_permission_to, may, signed_in
from luxewin.api.pagination import CursorPages
from luxewin.api.public_reads import public_read
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet, takes_no_body
from raffles import services
from raffles.errors import TermsFixed, WrongPhase
from raffles.filters import RaffleFilter
from raffles.models import Raffle
from raffles.querysets import RaffleQuerySet
from raffles.serializers import (
    CancelSerializer,
    CategorySerializer,
    OddsQuerySerializer,
    RaffleSerializer,
    RaffleSummarySerializer,
    RaffleWriteSerializer,
    summary,
)


@cache
def _listed() -> QuerySet[Any]:
    """Return what lists choose from: made once, because making it costs more than running it."""
    return Raffle.objects.public().in_rows()


class RafflePages(CursorPages):
    """What is or comes on sale first, by its end, then the past, newest first; unless `order` says otherwise."""

    BY_NAME = {"on_sale": "listing", "popular": "-tickets_sold", "nearly_gone": "tickets_left"}
    ordering = ("listing", "id")  # type: ignore[assignment]
    shared = staticmethod(_listed)

    def get_ordering(self, request: Request, queryset: QuerySet[Raffle], view: Any) -> tuple[str, ...]:
        """Return the requested order, made total by the id."""
        wanted = request.query_params.get("order", "")
        if wanted not in RaffleFilter.ORDERS:
            return self.ordering
        return (self.BY_NAME.get(wanted, wanted), "id")


class RaffleViewSet(mixins.ListModelMixin, StrictViewSet):
    """Raffles: read by anyone, written by raffle managers. `{id}` is an id or a slug."""

    queryset = Raffle.objects.none()
    pagination_class = RafflePages
    filterset_class = RaffleFilter
    lookup_value_regex = "[-A-Za-z0-9_]+"
    PERMISSION_BY_ACTION = {
        "create": "raffles.add_raffle",
        "partial_update": "raffles.change_raffle",
        "publish": "raffles.publish_raffle",
        "cancel": "raffles.cancel_raffle",
    }

    def get_serializer_class(self) -> type[RaffleSummarySerializer]:
        """Leave conditions out of lists."""
        return RaffleSummarySerializer if self.action == "list" else RaffleSerializer

    def get_permissions(self) -> list[BasePermission]:
        """Allow reading to all; each write has its named permission."""
        right = self.PERMISSION_BY_ACTION.get(self.action or "")
        return [has_permission_to(right)()] if right else [AllowAny()]

    def get_queryset(self) -> RaffleQuerySet:
        """Include drafts for people who may change them."""
        sees_drafts = may(self.request, "raffles.change_raffle")
        return (Raffle.objects.all() if sees_drafts else Raffle.objects.public()).in_full()

    def get_object(self) -> Raffle:
        """Return the raffle by id or slug; 404 for anything else."""
        found = self.get_queryset().named(self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        return found

    # A text search reads every row; without one, an index gives the page.
    @extend_schema(responses=RaffleSummarySerializer(many=True))
    @limited("120/m", when=lambda request: "search" in request.query_params)
    @public_read(filters=RaffleFilter, pages=RafflePages, defaults={"order": "on_sale"})
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List raffles: what is or comes on sale first, soonest to close first; then the past, newest first."""
        raffles = _listed()
        # The form of the filters costs as much as the query.
        if request.query_params.keys() & RaffleFilter.base_filters.keys():
            raffles = self.filter_queryset(raffles)
        return self.get_paginated_response([summary(row) for row in self.paginate_queryset(raffles) or ()])

    @extend_schema(responses=CategorySerializer(many=True))
    @action(detail=False, pagination_class=None, filterset_class=None)
    @public_read()
    def categories(self, request: Request) -> Response:
        """List the categories of what is on sale or coming, with counts."""
        return Response(CategorySerializer(Raffle.objects.public().by_category(), many=True).data)

    @extend_schema(parameters=[OddsQuerySerializer])
    @public_read("tickets", defaults={"tickets": "1"})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get a raffle with its conditions, and the odds of so many tickets."""
        raffle = self.get_object()
        query = OddsQuerySerializer(data=request.query_params, context={"raffle": raffle})
        query.is_valid(raise_exception=True)
        return Response(RaffleSerializer(raffle, context=query.validated_data).data)

    @extend_schema(request=RaffleWriteSerializer, responses={201: RaffleSerializer})
    def create(self, request: Request) -> Response:
        """Make a draft."""
        serializer = RaffleWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        raffle = services.create_raffle(actor=signed_in(request), **serializer.validated_data)
        return Response(self._shown(raffle), status=201)

    @extend_schema(request=RaffleWriteSerializer, responses=RaffleSerializer)
    @refuses(TermsFixed)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a draft; of a published raffle only description, category and image."""
        raffle = self.get_object()
        serializer = RaffleWriteSerializer(raffle, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        raffle = services.update_raffle(raffle.pk, actor=signed_in(request), **serializer.validated_data)
        return Response(self._shown(raffle))

    @extend_schema(request=None, responses=RaffleSerializer)
    @action(detail=True, methods=["post"])
    @takes_no_body
    @refuses(WrongPhase)
    def publish(self, request: Request, pk: str) -> Response:
        """Fix the terms and put the raffle on sale at its opening time."""
        return Response(self._shown(services.publish_raffle(self.get_object().pk, actor=signed_in(request))))

    @extend_schema(request=CancelSerializer, responses=RaffleSerializer)
    @action(detail=True, methods=["post"])
    @refuses(WrongPhase)
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel the raffle before its draw and refund everyone."""
        raffle = self.get_object()
        serializer = CancelSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        raffle = services.cancel_raffle(raffle.pk, actor=signed_in(request), **serializer.validated_data)
        return Response(self._shown(raffle))

    def _shown(self, raffle: Raffle) -> dict[str, Any]:
        return RaffleSerializer(Raffle.objects.in_full().get(pk=raffle.pk)).data
