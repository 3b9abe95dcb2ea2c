"""The devices on which you are signed in: `auth/sessions`."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services, tokens
from accounts.authentication import session_of
from accounts.errors import ConfirmationNeeded, SessionNotFound
from accounts.models import Session
from accounts.permissions import signed_in
from accounts.serializers.auth import ConfirmSerializer, SessionSerializer
from accounts.views.responses import valid
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet, takes_no_body, takes_parameters
from luxewin.ids import UUID_PATTERN


class SessionViewSet(StrictViewSet):
    """The devices on which you are signed in."""

    serializer_class = SessionSerializer
    filter_backends = []
    queryset = Session.objects.none()

    def get_queryset(self) -> QuerySet[Session]:
        """Limit to the person's own live sessions."""
        return Session.objects.filter(user=self.request.user.pk).alive()

    @extend_schema(responses=SessionSerializer(many=True))
    @action(detail=False, methods=["get"])
    @takes_parameters(pages=CursorPages)
    def sessions(self, request: Request) -> Response:
        """List them, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(
            SessionSerializer(page, many=True, context={"current": session_of(request)}).data
        )

    @extend_schema(responses={204: None})
    @sessions.mapping.delete
    @takes_no_body
    @refuses(ConfirmationNeeded)
    def end_others(self, request: Request) -> Response:
        """Sign out every device but this one. Give the password within the quarter of an hour before (`…/confirm`)."""
        tokens.end_others(signed_in(request), session_of(request))
        return Response(status=204)

    @extend_schema(request=ConfirmSerializer, responses={204: None})
    @action(detail=False, methods=["post"], url_path="sessions/confirm")
    @limited("30/h", key="user")
    def confirm(self, request: Request) -> Response:
        """Confirm who you are; for a quarter of an hour this device may sign out others."""
        services.confirm_session(signed_in(request), session_of(request), **valid(ConfirmSerializer, request))
        return Response(status=204)

    @extend_schema(
        responses={204: None},
        parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)],
    )
    @action(detail=False, methods=["delete"], url_path=f"sessions/(?P<id>{UUID_PATTERN})")
    @takes_no_body
    @refuses(ConfirmationNeeded, SessionNotFound)
    def end_one(self, request: Request, id: str) -> Response:  # noqa: A002 the name in the path
        """Sign out one device; its tokens stop working at once. Another device needs the password (`…/confirm`)."""
        tokens.end_one(signed_in(request), UUID(id), by=session_of(request))
        return Response(status=204)
