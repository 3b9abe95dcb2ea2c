"""Pages of lists."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from luxewin.api.problems import InvalidInput


class CursorPages(CursorPagination):
    """Cursor pages: their cost does not grow with the depth, and no row is shown twice while others are added."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-id"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """The rows of this page; raises InvalidInput for a cursor that is garbage or belongs to another order."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, ValidationError) as error:
            if self.cursor_query_param not in request.query_params:
                raise
            raise InvalidInput.of("cursor", "invalid", "Not a cursor of this list in this order.") from error
