"""Your linked accounts elsewhere: `users/identities…`."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.authentication import session_of
from accounts.errors import IdentityNotFound
from accounts.models import Identity
from accounts.permissions import signed_in
from accounts.serializers.identities import IdentitySerializer, UnlinkSerializer
from accounts.views.responses import valid
from luxewin.api.pagination import CursorPages
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet, takes_parameters
from luxewin.ids import UUID_PATTERN


class IdentityViewSet(StrictViewSet):
    """The accounts elsewhere with which you sign in here."""

    serializer_class = IdentitySerializer
    filter_backends = []
    queryset = Identity.objects.none()

    def get_queryset(self) -> QuerySet[Identity]:
        """Limit to the person's own."""
        return Identity.objects.filter(user=self.request.user.pk)

    @extend_schema(responses=IdentitySerializer(many=True))
    @action(detail=False, methods=["get"])
    @takes_parameters(pages=CursorPages)
    def identities(self, request: Request) -> Response:
        """List them, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(IdentitySerializer(page, many=True).data)

    @extend_schema(
        request=UnlinkSerializer,
        responses={204: None},
        parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)],
    )
    @action(detail=False, methods=["post"], url_path=f"identities/(?P<id>{UUID_PATTERN})/unlink")
    @limited("30/h", key="user")
    @refuses(IdentityNotFound)
    def unlink(self, request: Request, id: str) -> Response:  # noqa: A002 the name in the path
        """Remove the link to this account elsewhere, and sign out every other device.

        Without a password, set one first (`auth/password/forgot`), which unlinks too. From then on you sign in with the
        password: a verified address elsewhere links nothing to this account any more.
        """
        wanted = valid(UnlinkSerializer, request)
        services.unlink_identity(signed_in(request), UUID(id), **wanted, session=session_of(request))
        return Response(status=204)
