"""The API of purchases."""

from http import HTTPStatus

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import BearerAuthentication, is_in_cookies, note_dead_cookies, session_of
from accounts.errors import AccountInactive, SessionEnded
from accounts.permissions import signed_in
from luxewin.api.idempotency import IdempotencyKey
from luxewin.api.ratelimits import limited
from luxewin.ids import UUID_PATTERN
from purchases import services
from purchases.models import Purchase
from purchases.serializers import CreateSerializer, PurchaseSerializer, VerifySerializer, shown, wanted

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The same key and body make one purchase.",
)


class PurchaseViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    """The signed-in person's purchases."""

    queryset = Purchase.objects.none()
    serializer_class = PurchaseSerializer
    lookup_value_regex = UUID_PATTERN
    further_refusals = frozenset({HTTPStatus.BAD_GATEWAY})

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Do not read the user for `create`: the statement that holds tickets checks the buyer itself."""
        if self.request and self.action_map.get(str(self.request.method).lower()) == "create":
            return [BearerAuthentication(reads_user=False)]
        return super().get_authenticators()

    def get_queryset(self) -> QuerySet[Purchase]:
        """Select only the person's own purchases; others are not found."""
        return Purchase.objects.filter(buyer=self.request.user.pk).for_display()

    @extend_schema(request=CreateSerializer, responses={201: PurchaseSerializer}, parameters=[IDEMPOTENCY_KEY])
    @limited("120/m", key="user_or_ip")
    def create(self, request: Request) -> Response:
        """Hold tickets and open their payment; pay `client_secret` with Stripe.js before `expires_at`.

        Refused by `code`: 403 for a person who may not buy (`email_not_verified`, `self_excluded`, `paused`,
        `profile_incomplete`, `under_age`, `country_not_allowed`, `terms_not_accepted`; `users/safeguards` shows them
        all at once), 409 for a request that does not fit (`spend_limit_reached`, `limit_reached`, `sold_out`,
        `not_enough_left`, `raffle_not_open`, `raffle_closed`, `amount_too_large`, `wrong_answer`, `holder_used`,
        `request_in_flight`), 429 `too_many_answers` and `too_many_lapsed_holds` (`try_again_at`), 503 `busy` and
        `payment_provider_unavailable`.
        """
        asked = wanted(request.data)
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
    def verify(self, request: Request) -> Response:
        """Ask Stripe, and settle the purchase if it was paid. For use right after paying, before the webhook comes."""
        serializer = VerifySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        purchase = get_object_or_404(self.get_queryset(), pk=serializer.validated_data["purchase"])
        return Response(shown(services.settle_purchase(purchase.pk)))

    @extend_schema(request=None, responses=PurchaseSerializer)
    @action(detail=True, methods=["post"])
    @limited("120/m", key="user_or_ip")
    def cancel(self, request: Request, pk: str) -> Response:
        """Put tickets that wait for payment back on sale: `expired`, or `paid` if the payment came first.

        409 `not_held` for any others. Cancelling within half of the time to pay never leads to a wait.
        """
        purchase = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(shown(services.cancel_purchase(purchase.pk, actor=signed_in(request))))
