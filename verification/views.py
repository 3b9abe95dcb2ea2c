"""The API of verification: open to anyone, but for the path of one's own entry."""

from django.http import Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from luxewin.api.pagination import CursorPages
from purchases.models import Purchase
from purchases.views import UUID_PATTERN
from verification import entries, proof
from verification.errors import NotDrawnYet, NotFrozenYet
from verification.models import Draw
from verification.querysets import DrawQuerySet
from verification.serializers import BundleSerializer, DrawDetailSerializer, DrawSerializer, EntryProofSerializer
from verification.services import prove_entry


class DrawPages(CursorPages):
    """Newest promise first."""

    ordering = "-sequence"


class VerificationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """Draws and their proofs. `{raffle}` is a raffle's id or slug."""

    queryset = Draw.objects.none()
    serializer_class = DrawSerializer
    pagination_class = DrawPages
    lookup_url_kwarg = "raffle"
    lookup_value_regex = "[-A-Za-z0-9_]+"

    def get_permissions(self) -> list[BasePermission]:
        """Anyone verifies; only the buyer gets the path that names their purchase."""
        return [IsAuthenticated()] if self.action == "entry" else [AllowAny()]

    def get_queryset(self) -> DrawQuerySet:
        """Every promise ever made, void ones included: the sequence has no gap."""
        return Draw.objects.all() if self.action in {"entry", "entries_csv"} else Draw.objects.for_display()

    def get_object(self) -> Draw:
        """By the raffle's id or slug."""
        return get_object_or_404(self.get_queryset().of_raffle(self.kwargs["raffle"]))

    def get_serializer_class(self) -> type[DrawSerializer]:
        """The manifest is part of one draw, not of the list."""
        return DrawDetailSerializer if self.action == "retrieve" else DrawSerializer

    @extend_schema(responses=BundleSerializer)
    @action(detail=True)
    def bundle(self, request: Request, raffle: str) -> Response:
        """The bundle: with the entries file, all that is needed to recompute the draw."""
        draw = self.get_object()
        if draw.state not in proof.DRAWN_STATES:
            raise NotDrawnYet("The picks do not exist yet.", state=draw.state)
        return Response(proof.bundle(draw))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, url_path=r"entries\.csv", url_name="entries-csv")
    def entries_csv(self, request: Request, raffle: str) -> StreamingHttpResponse:
        """The entries file: header `entry_id,first_ticket,count`, ordered by first ticket."""
        draw = self.get_object()
        if draw.state not in proof.FROZEN_STATES:
            raise NotFrozenYet("The entries are not fixed yet.", state=draw.state)
        response = StreamingHttpResponse(entries.lines(draw.pk), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{draw.raffle_id}.entries.csv"'
        return response

    @extend_schema(
        responses=EntryProofSerializer,
        parameters=[OpenApiParameter("purchase", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    )
    @action(detail=True, url_path=rf"entries/(?P<purchase>{UUID_PATTERN})", url_name="entry")
    def entry(self, request: Request, raffle: str, purchase: str) -> Response:
        """The path that proves one's own entry against the public root."""
        draw = self.get_object()
        mine = Purchase.objects.paid().filter(raffle=draw.pk, buyer=request.user.pk, pk=purchase).first()
        if mine is None:
            raise Http404
        if not draw.root:
            raise NotFrozenYet("The entries are not committed yet.", state=draw.state)
        return Response(EntryProofSerializer(prove_entry(draw, mine)).data)
