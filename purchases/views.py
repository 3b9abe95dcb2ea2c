"""The API of purchases."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import BearerAuthentication, is_in_cookies, note_dead_cookies, session_of
from accounts.errors import BUYER_REFUSED, AccountInactive, SessionEnded
from accounts.permissions import signed_in
from luxewin.api.idempotency import IdempotencyKey
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import NOT_FOUND, refuses
from luxewin.api.views import StrictViewSet, takes_no_body, takes_parameters
from luxewin.ids import UUID_PATTERN
from purchases import receipt_document, services
from purchases.errors import HOLD_REFUSED, NotHeld, NothingPaid, ProviderRefused, ProviderUnavailable, RaffleNotFound
from purchases.filters import PurchaseFilter
from purchases.models import Purchase
from purchases.querysets import PurchaseQuerySet
from purchases.serializers import (
    CreateSerializer,
    OwnPurchaseSerializer,
    PurchaseSerializer,
    TotalsSerializer,
    VerifySerializer,
    shown,
    wanted,
)
from raffles.models import Raffle

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The same key and body make one purchase.",
)


class DocumentRenderer(JSONRenderer):
    """Lets clients request a document by its media type; it renders only errors, as JSON like all others."""

    media_type = "application/pdf"
    format = "pdf"


class PurchaseViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet):
    """The signed-in person's purchases."""

    queryset = Purchase.objects.none()
    serializer_class = PurchaseSerializer
    filterset_class = PurchaseFilter
    lookup_value_regex = UUID_PATTERN
    further_refusals = frozenset({HTTPStatus.BAD_GATEWAY})

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Do not read the user for `create`: the statement that holds tickets checks the buyer itself."""
        if self.request and self.action_map.get(str(self.request.method).lower()) == "create":
            return [BearerAuthentication(reads_user=False)]
        return super().get_authenticators()

    def get_queryset(self) -> PurchaseQuerySet:
        """Select only the person's own purchases; others are not found."""
        return Purchase.objects.filter(buyer=self.request.user.pk)

    @extend_schema(responses=OwnPurchaseSerializer(many=True))
    @takes_parameters(pages=CursorPages, filters=PurchaseFilter)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List your purchases, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset().for_buyer())) or ()
        return self.get_paginated_response(OwnPurchaseSerializer(page, many=True).data)

    @extend_schema(responses=OwnPurchaseSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get one of your purchases, with its raffle and what it won."""
        purchase = get_object_or_404(self.get_queryset().for_buyer(), pk=kwargs["pk"])
        return Response(OwnPurchaseSerializer(purchase).data)

    @extend_schema(responses=TotalsSerializer)
    @action(detail=False)
    def totals(self, request: Request) -> Response:
        """Get sums over your paid purchases."""
        return Response(TotalsSerializer(self.get_queryset().totals_of_buyer()).data)

    @extend_schema(request=CreateSerializer, responses={201: PurchaseSerializer}, parameters=[IDEMPOTENCY_KEY])
    @limited("120/m", key="user_or_ip")
    @refuses(*BUYER_REFUSED, *HOLD_REFUSED, ProviderRefused, ProviderUnavailable)
    def create(self, request: Request) -> Response:
        """Hold tickets and open their payment; pay `client_secret` with Stripe.js before `expires_at`.

        403 is about the buyer, of whom `users/safeguards` shows everything at once, 409 about the raffle and the
        request.
        """
        asked = wanted(request.data)
        # Before the key: a slug and its id make the same request.
        asked["raffle"] = _raffle_id(asked["raffle"])
        try:
            purchase = services.purchase_tickets(
                buyer=signed_in(request),
                raffle_id=asked["raffle"],
                quantity=asked["quantity"],
                answer=asked.get("answer"),
                key=IdempotencyKey.of(request, asked),
                session=session_of(request),
                holder=bytes.fromhex(asked["holder"]) if "holder" in asked else None,
            )
        except (SessionEnded, AccountInactive):
            if is_in_cookies(request):
                note_dead_cookies(request)
            raise
        return Response(shown(purchase), status=201)

    @extend_schema(request=VerifySerializer, responses=PurchaseSerializer)
    @action(detail=False, methods=["post"])
    @limited("120/m", key="user_or_ip")
    @refuses(ProviderRefused, ProviderUnavailable, NOT_FOUND)
    def verify(self, request: Request) -> Response:
        """Ask Stripe, and settle the purchase if it was paid. For use right after paying, before the webhook comes."""
        serializer = VerifySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        purchase = get_object_or_404(self.get_queryset(), pk=serializer.validated_data["purchase"])
        return Response(shown(services.settle_purchase(purchase.pk)))

    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY}, parameters=[OpenApiParameter("format", exclude=True)]
    )
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, DocumentRenderer])
    @limited("120/m", key="user_or_ip")
    @refuses(NothingPaid)
    def receipt(self, request: Request, pk: str) -> HttpResponse:
        """Fetch the payment receipt as a PDF, in your language; 409 `nothing_paid` if no money was received."""
        purchase = get_object_or_404(self.get_queryset(), pk=pk)
        number, content = receipt_document.of_purchase(purchase, signed_in(request))
        answer = HttpResponse(content, content_type="application/pdf")
        answer["Content-Disposition"] = f'attachment; filename="receipt-{number}.pdf"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @extend_schema(request=None, responses=PurchaseSerializer)
    @action(detail=True, methods=["post"])
    @limited("120/m", key="user_or_ip")
    @takes_no_body
    @refuses(NotHeld, ProviderRefused, ProviderUnavailable)
    def cancel(self, request: Request, pk: str) -> Response:
        """Put tickets that wait for payment back on sale: `expired`, or `paid` if the payment came first.

        409 `not_held` for any others. Cancelling within half of the time to pay never leads to a wait.
        """
        purchase = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(shown(services.cancel_purchase(purchase.pk, actor=signed_in(request))))


def _raffle_id(name: UUID | str) -> UUID:
    """Return a raffle's id by its id or slug; raise RaffleNotFound. Cost: a statement for a slug."""
    if isinstance(name, UUID):
        return name
    found = Raffle.objects.public().named(name).values_list("pk", flat=True).first()
    if found is None:
        raise RaffleNotFound("There is no such raffle.")
    return found
