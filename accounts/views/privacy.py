"""Your own data: `users/export` and `users/delete`."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.errors import DeletionBlocked, EmailNotVerified, ExportTooSoon
from accounts.permissions import signed_in
from accounts.serializers.privacy import NO_EXPORT, DeleteSerializer, DeletionSerializer, ExportSerializer
from accounts.views.responses import valid
from luxewin.api.ratelimits import limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet, takes_no_body


class PrivacyViewSet(StrictViewSet):
    """Your own data."""

    @extend_schema(methods=["GET"], responses=ExportSerializer)
    @extend_schema(methods=["POST"], request=None, responses={202: ExportSerializer})
    @action(detail=False, methods=["get", "post"])
    @takes_no_body
    @refuses(EmailNotVerified, ExportTooSoon)
    def export(self, request: Request) -> Response:
        """Request an archive of all data held on you (one a day), or show the state of the last one."""
        user = signed_in(request)
        if request.method == "POST":
            return Response(ExportSerializer(services.request_export(user, actor=user)).data, status=202)
        return Response(ExportSerializer(services.latest_export(user) or NO_EXPORT).data)

    @extend_schema(request=DeleteSerializer, responses={202: DeletionSerializer})
    @action(detail=False, methods=["post"], url_path="delete")
    @limited("30/h", key="user")
    @refuses(DeletionBlocked)
    def delete_account(self, request: Request) -> Response:
        """Close your account at once and erase it after two weeks; until then a mailed link cancels this."""
        deletion = services.delete_account(signed_in(request), **valid(DeleteSerializer, request))
        return Response(DeletionSerializer(deletion).data, status=202)
