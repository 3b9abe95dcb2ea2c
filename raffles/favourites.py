"""Your favourites among the raffles, and the reminders of each: `users/favourites`."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import EmailNotVerified, SelfExcluded
from accounts.permissions import signed_in
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import NOT_FOUND, refuses
from luxewin.api.serializers import InputSerializer
from luxewin.api.views import StrictViewSet, takes_no_body, takes_parameters
from raffles import reminders
from raffles.errors import TooLateToRemind
from raffles.models import Favourite, Raffle
from raffles.serializers import RaffleName, RaffleSummarySerializer

HOURS = reminders.BEFORE_CLOSING.total_seconds() / 3600
REMINDERS = {
    "remind_opening": "Whether you are told when the sale opens; false again once you were.",
    "remind_closing": f"Whether you are told {HOURS:g} hours before the sale ends; false again once you were.",
}


class FavouriteWriteSerializer(InputSerializer):
    """A raffle to keep, and its reminders; one that is left out stays as it is."""

    raffle = RaffleName()
    remind_opening = serializers.BooleanField(required=False, help_text=REMINDERS["remind_opening"])
    remind_closing = serializers.BooleanField(required=False, help_text=REMINDERS["remind_closing"])


class FavouriteSerializer(serializers.Serializer):
    """A raffle that you keep."""

    raffle = RaffleSummarySerializer()
    remind_opening = serializers.BooleanField(help_text=REMINDERS["remind_opening"])
    remind_closing = serializers.BooleanField(help_text=REMINDERS["remind_closing"])
    created_at = serializers.DateTimeField()


class FavouriteViewSet(StrictViewSet):
    """Your favourites."""

    filter_backends = []
    queryset = Favourite.objects.none()
    serializer_class = FavouriteSerializer

    def get_queryset(self) -> QuerySet[Favourite]:
        """Limit to the person's own, with all that a list shows of their raffles; in three queries."""
        raffles = Raffle.objects.with_phase().select_related("counter").prefetch_related("prizes")
        return Favourite.objects.filter(user=self.request.user.pk).prefetch_related(Prefetch("raffle", raffles))

    @extend_schema(responses=FavouriteSerializer(many=True))
    @action(detail=False, methods=["get"])
    @takes_parameters(pages=CursorPages)
    def favourites(self, request: Request) -> Response:
        """List your favourites, the last kept first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(FavouriteSerializer(page, many=True).data)

    @extend_schema(request=FavouriteWriteSerializer, responses=FavouriteSerializer)
    @favourites.mapping.post
    @limited("120/m", key="user")
    @refuses(EmailNotVerified, SelfExcluded, TooLateToRemind, NOT_FOUND)
    def keep(self, request: Request) -> Response:
        """Keep a raffle as a favourite, or change its reminders.

        Reminders come as messages of the event `reminders`, also in quiet hours; people who paused or excluded
        themselves from buying get none.
        """
        serializer = FavouriteWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted: dict[str, Any] = serializer.validated_data
        raffle = Raffle.objects.public().with_phase().named(str(wanted.pop("raffle"))).first()
        if raffle is None:
            raise Http404
        kept = reminders.keep_favourite(signed_in(request), raffle, **wanted)
        return Response(FavouriteSerializer(self.get_queryset().get(pk=kept.pk)).data)

    @extend_schema(
        responses={204: None},
        parameters=[OpenApiParameter("raffle", str, OpenApiParameter.PATH, description="Id or slug.")],
    )
    @action(detail=False, methods=["delete"], url_path="favourites/(?P<raffle>[-A-Za-z0-9_]+)")
    @takes_no_body
    @limited("120/m", key="user")
    def drop(self, request: Request, raffle: str) -> Response:
        """Drop a raffle from your favourites, with its reminders; 404 if it is none."""
        raffles = Raffle.objects.public().named(raffle).values("pk")
        if not Favourite.objects.filter(user=request.user.pk, raffle__in=raffles).delete()[0]:
            raise Http404
        return Response(status=204)
