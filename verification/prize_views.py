"""The prizes that a person won, and their claims: `users/prizes`."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import signed_in
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import NOT_FOUND, refuses
from luxewin.api.views import StrictViewSet, takes_parameters
from luxewin.ids import UUID_PATTERN
from verification import services
from verification.errors import (
    AlreadyClaimed,
    ClaimTimeOver,
    NoDocumentsWanted,
    NotDrawnYet,
    PrizeDispatched,
    TooManyDocuments,
)
from verification.models import Award
from verification.prize_serializers import (
    ClaimWriteSerializer,
    DocumentWriteSerializer,
    OwnPrizeSerializer,
)

ONE = f"prizes/(?P<prize>{UUID_PATTERN})"
ID = OpenApiParameter("prize", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The id of a prize that you won.")


class PrizePages(CursorPages):
    """Pages of prizes, the last won first."""

    ordering = "-id"


class PrizeViewSet(StrictViewSet):
    """Your prizes."""

    filter_backends = []
    queryset = Award.objects.none()
    serializer_class = OwnPrizeSerializer
    pagination_class = PrizePages

    def get_queryset(self) -> QuerySet[Award]:
        """Limit to what the person holds or was handed."""
        return services.awards_of(signed_in(self.request))

    @extend_schema(responses=OwnPrizeSerializer(many=True))
    @action(detail=False, methods=["get"])
    @takes_parameters(pages=PrizePages)
    def prizes(self, request: Request) -> Response:
        """List the prizes that you won and hold, the last won first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(OwnPrizeSerializer(page, many=True).data)

    @extend_schema(responses=OwnPrizeSerializer, parameters=[ID])
    @action(detail=False, methods=["get"], url_path=ONE, url_name="prize")
    @refuses(NOT_FOUND)
    def prize(self, request: Request, prize: str) -> Response:
        """Get a prize that you won, and how far its delivery has come."""
        return Response(self._shown(prize))

    @extend_schema(request=ClaimWriteSerializer, responses=OwnPrizeSerializer, parameters=[ID])
    @action(detail=False, methods=["post"], url_path=f"{ONE}/claim", url_name="claim")
    @limited("60/m", key="user")
    @refuses(AlreadyClaimed, ClaimTimeOver, NotDrawnYet, PrizeDispatched, NOT_FOUND)
    def accept(self, request: Request, prize: str) -> Response:
        """Accept a prize and say where it goes, or take its cash alternative; change it until it is dispatched.

        The address is encrypted, seen by staff who deliver, and erased some time after the delivery.
        """
        serializer = ClaimWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        services.accept_prize(self._award(prize), actor=signed_in(request), **serializer.validated_data)
        return Response(self._shown(prize))

    @extend_schema(request=DocumentWriteSerializer, responses=OwnPrizeSerializer, parameters=[ID])
    @action(detail=False, methods=["post"], url_path=f"{ONE}/documents", url_name="documents")
    @limited("30/m", key="user")
    @refuses(NoDocumentsWanted, TooManyDocuments, NOT_FOUND)
    def send(self, request: Request, prize: str) -> Response:
        """Send a document that staff asked for; the same one counts once.

        It is encrypted, seen by staff who check claims alone, and erased with the address.
        """
        serializer = DocumentWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        services.add_document(self._award(prize), actor=signed_in(request), **serializer.validated_data)
        return Response(self._shown(prize))

    def _award(self, prize: str) -> Award:
        return get_object_or_404(self.get_queryset(), prize=prize)

    def _shown(self, prize: str) -> dict[str, object]:
        return OwnPrizeSerializer(self._award(prize)).data
