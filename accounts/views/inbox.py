"""What you were told: `users/notifications`."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.errors import MessageNotFound
from accounts.models import Notification
from accounts.permissions import signed_in
from accounts.querysets import NotificationQuerySet
from accounts.serializers.inbox import (
    InboxQuerySerializer,
    InboxSerializer,
    MarkAllSerializer,
    UnreadSerializer,
)
from accounts.views.responses import valid
from accounts.words import habits_of
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet, takes_no_body, takes_parameters
from luxewin.ids import UUID_PATTERN


class InboxViewSet(StrictViewSet):
    """What you were told."""

    serializer_class = InboxSerializer
    filter_backends = []
    queryset = Notification.objects.none()

    def get_queryset(self) -> NotificationQuerySet:
        """Limit to the person's own inbox."""
        return Notification.objects.inbox_of(self.request.user.pk)

    @extend_schema(parameters=[InboxQuerySerializer], responses=InboxSerializer(many=True))
    @action(detail=False, methods=["get"])
    @takes_parameters("unread", pages=CursorPages)
    def notifications(self, request: Request) -> Response:
        """List them in your language, newest first. What is older than the operator's retention is gone."""
        query = InboxQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        rows = self.get_queryset()
        page = self.paginate_queryset(rows.unread() if query.validated_data["unread"] else rows)
        with habits_of(signed_in(request)) as language:
            return self.get_paginated_response(InboxSerializer(page, many=True, context={"language": language}).data)

    @extend_schema(responses=UnreadSerializer)
    @action(detail=False, methods=["get"], url_path="notifications/unread")
    def unread(self, request: Request) -> Response:
        """Count those that are not read."""
        return self._unread()

    @extend_schema(request=MarkAllSerializer, responses=UnreadSerializer)
    @action(detail=False, methods=["post"], url_path="notifications/read")
    @limited("120/m", key="user")
    def read_all(self, request: Request) -> Response:
        """Mark all as read. With `up_to`, the newest that you show, one that came meanwhile stays unread."""
        services.mark_all_read(signed_in(request), **valid(MarkAllSerializer, request))
        return self._unread()

    @extend_schema(
        request=None,
        responses=UnreadSerializer,
        parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)],
    )
    @action(detail=False, methods=["post"], url_path=f"notifications/(?P<id>{UUID_PATTERN})/read")
    @takes_no_body
    @refuses(MessageNotFound)
    @limited("120/m", key="user")
    def read_one(self, request: Request, id: str) -> Response:  # noqa: A002 the name in the path
        """Mark one as read."""
        services.mark_read(signed_in(request), UUID(id))
        return self._unread()

    def _unread(self) -> Response:
        return Response(UnreadSerializer({"unread": self.get_queryset().unread().count()}).data)
