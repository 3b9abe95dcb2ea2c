"""The API of verification: open to anyone, except for the path of a buyer's own entry."""

from functools import cache
from typing import Any

from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from luxewin.api.pagination import CursorPages
from luxewin.api.public_reads import FOR_GOOD, FRESH, public_read
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet
from luxewin.ids import UUID_PATTERN
from purchases.models import Purchase
from raffles.views import RaffleViewSet
from verification import entries, proof
from verification.errors import (
    CommitmentMoves,
    ContractMissing,
    DrawVoid,
    LeafNotFound,
    NotFrozenYet,
    ProofUnavailable,
    ReceiptKeyMissing,
)
from verification.log_file import log_lines
from verification.models import Draw, LogHead
from verification.querysets import DrawQuerySet
from verification.serializers import (
    BundleSerializer,
    DrawDetailSerializer,
    DrawSerializer,
    EntryProofSerializer,
    HeadSerializer,
    InclusionQuerySerializer,
    InclusionSerializer,
    draw_shown,
)
from verification.services import prove_entry, prove_leaf
from verification.services.log import size_of


@cache
def _rows() -> Any:
    """Return what draws are shown from: made once, because making it costs more than running it."""
    return Draw.objects.in_rows()


class DrawPages(CursorPages):
    """Pages of draws, newest promise first; a draw has up to a hundred picks."""

    max_page_size = 30
    shared = staticmethod(_rows)
    ordering = "-sequence"


class HeadPages(CursorPages):
    """Pages of heads, newest first."""

    ordering = "-size"


class EntriesRenderer(JSONRenderer):
    """Lets clients request the entries file by its media type; it renders only errors, as JSON like all others."""

    media_type = "text/csv"
    format = "csv"


class VerificationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet):
    """Draws and their proofs. `{raffle}` is a raffle's id or slug."""

    queryset = Draw.objects.none()
    serializer_class = DrawSerializer
    pagination_class = DrawPages
    lookup_url_kwarg = "raffle"
    lookup_value_regex = "[-A-Za-z0-9_]+"

    def get_permissions(self) -> list[BasePermission]:
        """Allow anyone to verify, but only the buyer to get the path that names their purchase."""
        return [IsAuthenticated()] if self.action == "entry" else [AllowAny()]

    def get_queryset(self) -> DrawQuerySet:
        """Select every promise ever made, void ones included: the sequence has no gap."""
        return Draw.objects.for_display() if self.action == "bundle" else Draw.objects.all()

    def get_object(self) -> Draw:
        """Find the draw by the raffle's id or slug."""
        return get_object_or_404(self.get_queryset().of_raffle(self.kwargs["raffle"]))

    def get_serializer_class(self) -> type[DrawSerializer]:
        """Include the manifest for one draw, but not in the list."""
        return DrawDetailSerializer if self.action == "retrieve" else DrawSerializer

    @limited("300/m")
    @public_read(pages=DrawPages)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List every promise ever made, newest first."""
        rows = self.paginate_queryset(_rows()) or ()
        return self.get_paginated_response([draw_shown(row, DrawSerializer.Meta.fields) for row in rows])

    @public_read()
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get the draw of a raffle, with its manifest."""
        row = get_object_or_404(_rows().of_raffle(self.kwargs["raffle"]))
        return Response(draw_shown(row, DrawDetailSerializer.Meta.fields))

    @extend_schema(responses=BundleSerializer)
    @action(detail=True)
    @limited("120/m")
    @public_read()
    @refuses(CommitmentMoves, DrawVoid, NotFrozenYet)
    def bundle(self, request: Request, raffle: str) -> Response:
        """Get the bundle: together with entries and log, all that is needed to recompute the draw.

        It is public before the commitment is sent; what does not exist yet is null.
        """
        draw = self.get_object()
        _refuse_void(draw)
        if not draw.is_published:
            raise NotFrozenYet("The entries are not published yet.", state=draw.state)
        return Response(proof.bundle(draw), headers={"Cache-Control": FOR_GOOD if proof.is_final(draw) else FRESH})

    # DRF offers `?format=` if there are two renderers; here it only chooses how an error is written.
    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.STR}, parameters=[OpenApiParameter("format", exclude=True)]
    )
    @action(
        detail=True,
        url_path=r"entries\.csv",
        url_name="entries-csv",
        renderer_classes=[JSONRenderer, EntriesRenderer],
    )
    @limited("120/m")
    @public_read("format", media="text/csv")
    @refuses(DrawVoid, NotFrozenYet)
    def entries_csv(self, request: Request, raffle: str) -> HttpResponseBase:
        """Get the entries file: header `entry_id,first_ticket,count,holder`, ordered by first ticket.

        Once committed, its ETag is the root, which no other entries have.
        """
        draw = self.get_object()
        _refuse_void(draw)
        if not draw.is_frozen:
            raise NotFrozenYet("The entries are not fixed yet.", state=draw.state)
        response = StreamingHttpResponse(entries.lines(draw.pk), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{draw.raffle_id}.entries.csv"'
        if not draw.root:
            return response
        response["Cache-Control"] = FOR_GOOD if draw.is_over else FRESH
        response["ETag"] = f'"{draw.root}"'
        # The stubs do not know that a response may be streamed.
        unchanged = get_conditional_response(request, etag=response["ETag"], response=response)  # type: ignore[arg-type]
        return unchanged or response

    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.STR}, parameters=[OpenApiParameter("format", exclude=True)]
    )
    @action(detail=True, renderer_classes=[JSONRenderer, EntriesRenderer])
    @limited("120/m")
    @public_read("format", media="text/csv")
    def log(self, request: Request, raffle: str) -> HttpResponseBase:
        """Get the log: header `kind,entry_id,a,b,x,at`, then every leaf that has its place, in order.

        It only grows, from the first sale on, and stays public whatever becomes of the raffle. Its ETag is its size.
        """
        draw = self.get_object()
        size = size_of(draw.pk)
        response = StreamingHttpResponse(log_lines(draw.pk, size), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{draw.raffle_id}.log.csv"'
        response["ETag"] = f'"{size}"'
        # The stubs do not know that a response may be streamed.
        unchanged = get_conditional_response(request, etag=response["ETag"], response=response)  # type: ignore[arg-type]
        return unchanged or response

    @extend_schema(responses=HeadSerializer(many=True))
    @action(detail=True, url_path="log/heads", url_name="log-heads", pagination_class=HeadPages)
    @limited("120/m")
    @public_read(pages=HeadPages)
    def log_heads(self, request: Request, raffle: str) -> Response:
        """List the signed heads of the log, newest first. Whoever keeps one notices if the log is rewritten."""
        draw = self.get_object()
        page = self.paginate_queryset(LogHead.objects.filter(log=draw.pk))
        context = {"receipt_key": draw.receipt_key}
        return self.get_paginated_response(HeadSerializer(page, many=True, context=context).data)

    @extend_schema(responses=InclusionSerializer, parameters=[InclusionQuerySerializer])
    @action(detail=True, url_path="log/proof", url_name="log-proof")
    @limited("120/m")
    @public_read("leaf", "size")
    @refuses(LeafNotFound)
    def log_proof(self, request: Request, raffle: str) -> Response:
        """Get the proof that a leaf, which a receipt promises, is in the log, and the head that it leads to.

        404 `leaf_not_found` for a leaf that has no place yet, or none among the first `size`.
        """
        asked = InclusionQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        draw = self.get_object()
        try:
            found = prove_leaf(
                draw.pk, leaf_hash=bytes.fromhex(asked.validated_data["leaf"]), size=asked.validated_data.get("size")
            )
        except LookupError as error:
            raise LeafNotFound("The log has no such leaf yet, or not among its first leaves.") from error
        shown = {"index": found.index, "size": found.size, "proof": [each.hex() for each in found.proof]}
        context = {"receipt_key": draw.receipt_key}
        return Response(InclusionSerializer(shown | {"head": found.head}, context=context).data)

    @extend_schema(
        responses=EntryProofSerializer,
        parameters=[OpenApiParameter("purchase", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    )
    @action(detail=True, url_path=rf"entries/(?P<purchase>{UUID_PATTERN})", url_name="entry")
    @refuses(DrawVoid, NotFrozenYet, ProofUnavailable)
    def entry(self, request: Request, raffle: str, purchase: str) -> Response:
        """Get the path that proves the buyer's own entry against the public root."""
        draw = self.get_object()
        mine = Purchase.objects.paid().filter(raffle=draw.pk, buyer=request.user.pk, pk=purchase).first()
        if mine is None:
            raise Http404
        _refuse_void(draw)
        if not draw.root:
            raise NotFrozenYet("The entries are not published yet.", state=draw.state)
        return Response(EntryProofSerializer(prove_entry(draw, mine)).data)


def _refuse_void(draw: Draw) -> None:
    if draw.state == Draw.State.VOID:
        raise DrawVoid("There is no draw: the raffle was cancelled and everyone is refunded.")


# What keeps a raffle from its promise; raffles know nothing of draws.
refuses(ContractMissing, ReceiptKeyMissing)(RaffleViewSet.publish)
