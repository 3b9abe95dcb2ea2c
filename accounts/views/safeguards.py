"""Your safeguards and the terms you accept: `users/safeguards…`, `users/terms`."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.errors import EmailNotVerified, StaysInForce
from accounts.models import User
from accounts.permissions import signed_in
from accounts.serializers.safeguards import (
    AcceptSerializer,
    ExclusionSerializer,
    LimitSerializer,
    PauseSerializer,
    SafeguardsSerializer,
    safeguards_of,
)
from accounts.views.responses import valid
from luxewin.api.problems import InvalidInput
from luxewin.api.ratelimits import changes, limited
from luxewin.api.refusals import refuses
from luxewin.api.views import StrictViewSet


class SafeguardsViewSet(StrictViewSet):
    """Whether you may buy, and the safeguards you set up; the address must be verified (403)."""

    @extend_schema(methods=["GET"], responses=SafeguardsSerializer)
    @extend_schema(methods=["PATCH"], request=LimitSerializer, responses=SafeguardsSerializer)
    @action(detail=False, methods=["get", "patch"])
    @limited("30/h", key="user", when=changes)
    @refuses(EmailNotVerified)
    def safeguards(self, request: Request) -> Response:
        """Show the safeguards, or set the monthly limit of a currency.

        A lower limit takes effect at once, a higher one (or none) after 24 hours; until then, setting the limit in
        force again cancels it. Months are in UTC. While one currency has a limit, nothing can be bought in the others.
        """
        if request.method == "PATCH":
            services.set_spend_limit(signed_in(request), **valid(LimitSerializer, request))
        return _shown(signed_in(request))

    @extend_schema(request=PauseSerializer, responses=SafeguardsSerializer)
    @action(detail=False, methods=["post"], url_path="safeguards/pause")
    @limited("30/h", key="user")
    @refuses(EmailNotVerified, StaysInForce)
    def pause(self, request: Request) -> Response:
        """Stop buying for 24 hours to 6 months. A pause can be made longer, not shorter (409 `stays_in_force`)."""
        user = signed_in(request)
        services.pause_buying(user, **valid(PauseSerializer, request), actor=user)
        return _shown(user)

    @extend_schema(request=ExclusionSerializer, responses=SafeguardsSerializer)
    @action(detail=False, methods=["post"], url_path="safeguards/exclude")
    @limited("30/h", key="user")
    @refuses(EmailNotVerified, StaysInForce)
    def exclude(self, request: Request) -> Response:
        """Stop buying, and marketing mails, for 6 to 60 months or for good. Nobody can undo this.

        Open checkouts are released; tickets that are paid, or whose payment is under way, stay valid. An exclusion can
        be made longer, not shorter (409 `stays_in_force`).
        """
        user, wanted = signed_in(request), valid(ExclusionSerializer, request)
        password = wanted.get("password")
        if password is None and user.has_usable_password():
            raise InvalidInput.of("password", "required", "Enter your password again.")
        given = password if user.has_usable_password() else None
        services.exclude_from_buying(user, months=wanted["months"], password=given, actor=user)
        return _shown(user)

    @extend_schema(request=AcceptSerializer, responses=SafeguardsSerializer)
    @action(detail=False, methods=["post"])
    @limited("30/h", key="user")
    @refuses(EmailNotVerified)
    def terms(self, request: Request) -> Response:
        """Accept the terms in force, which `auth/terms` shows, and so does `terms` of the answer."""
        services.accept_terms(signed_in(request), **valid(AcceptSerializer, request))
        return _shown(signed_in(request))


def _shown(user: User) -> Response:
    return Response(safeguards_of(user.pk))
