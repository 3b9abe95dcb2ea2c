"""Pages of lists."""

import re
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

    def get_page_size(self, request: Request) -> int:
        """As asked for; raises InvalidInput for anything but a number from 1 to `max_page_size`."""
        wanted = request.query_params.get(self.page_size_query_param, str(self.page_size))
        # No more digits are read than a page size has.
        size = int(wanted) if re.fullmatch("[0-9]{1,4}", wanted) else 0
        if not 1 <= size <= self.max_page_size:
            raise InvalidInput.of("page_size", "invalid", f"A number from 1 to {self.max_page_size}.")
        return size

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The parameters for the API's document, with the bounds of the page size."""
        parameters = super().get_schema_operation_parameters(view)
        for each in parameters:
            if each["name"] == self.page_size_query_param:
                each["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return parameters

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """The rows of this page; raises InvalidInput for a cursor that is garbage or belongs to another order."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, ValidationError) as error:
            if self.cursor_query_param not in request.query_params:
                raise
            raise InvalidInput.of("cursor", "invalid", "Not a cursor of this list in this order.") from error
