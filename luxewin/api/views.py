"""What all views of the API have in common: which parameters and bodies they take, and OPTIONS."""

from collections.abc import Callable, Collection
from typing import Any

from django.http import HttpRequest
from django_filters import FilterSet
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from luxewin.api.pagination import CursorPages
from luxewin.api.problems import InvalidInput
from luxewin.api.public_reads import PublicRead
from luxewin.api.serializers import NO_FIELD, named


class StrictView(APIView):
    """A view that refuses query parameters and bodies that it does not read, and answers OPTIONS to anybody."""

    #: The query parameters of every method.
    parameters: Collection[str] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raise InvalidInput that names every unknown parameter, or every field of a body that nobody reads."""
        if request.method == "OPTIONS":
            return
        name: Any = getattr(self, "action", "get")
        action = getattr(self, name or "", None)
        unknown = request.query_params.keys() - parameters_of(action) - set(self.parameters)
        # A method without an action is refused as one that is not there.
        if unknown and name:
            raise InvalidInput(named(unknown, "There is no such parameter."))
        super().initial(request, *args, **kwargs)
        reads_no_body = getattr(action, "takes_no_body", False) and request.method not in SAFE_METHODS
        if reads_no_body and request.data:
            fields = request.data if isinstance(request.data, dict) else [""]
            raise InvalidInput(named(fields, NO_FIELD))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Say in `Allow` which methods there are; it is the same for everybody, so nobody has to sign in."""
        return Response(status=204)


class StrictViewSet(StrictView, GenericViewSet):
    """The base of all viewsets."""


def takes_parameters(
    *parameters: str, pages: type[CursorPages] | None = None, filters: type[FilterSet] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the query parameters of a viewset's action that is no public read, which declares its own."""
    known = {*parameters, *(filters.base_filters if filters else ())}
    known |= {pages.cursor_query_param, pages.page_size_query_param} if pages else set()

    def decorate(action: Callable[..., Any]) -> Callable[..., Any]:
        action.parameters = frozenset(known)  # type: ignore[attr-defined]
        return action

    return decorate


def takes_no_body(action: Callable[..., Any]) -> Callable[..., Any]:
    """Declare that a viewset's action reads no body: one with fields is refused."""
    action.takes_no_body = True  # type: ignore[attr-defined]
    return action


def parameters_of(action: Any) -> set[str]:
    """Return the query parameters that an action declares."""
    declared: PublicRead | None = getattr(action, "public_read", None)
    return set(declared.parameters if declared else getattr(action, "parameters", ()))
