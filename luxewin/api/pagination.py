"""Pagination of lists."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import BigIntegerField, Model, Q, QuerySet
from django.utils.timezone import is_naive
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from luxewin.api.prepared import Prepared
from luxewin.api.problems import InvalidInput

PREPARED = 64  # first pages, by list, order and size


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where a page begins: after the row with `key`, or at the end of the list if there is none."""

    key: tuple[Any, ...] | None = None
    backwards: bool = False


class CursorPages(CursorPagination):
    """Keyset pages: a cursor names a row by all fields of the order, so no row is lost or shown twice between pages.

    DRF's own cursor is the first field and an offset, which is wrong as soon as rows of equal value leave or enter the
    list. The last field of an order must be unique, and none may be null. The cost of a page does not grow with its
    depth.
    """

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-id"
    #: Return the query for named tuples that a list chooses from, the same object each time, if there is one: then the
    #: statement of its first page is made only once.
    shared: Callable[[], QuerySet[Any]] | None = None

    def get_page_size(self, request: Request) -> int:
        """Return the requested size; raise InvalidInput for anything but a number from 1 to `max_page_size`."""
        wanted = request.query_params.get(self.page_size_query_param, str(self.page_size))
        # Reads no more digits than the largest page size has.
        size = int(wanted) if re.fullmatch("[0-9]{1,4}", wanted) else 0
        if not 1 <= size <= self.max_page_size:
            raise InvalidInput.of("page_size", "invalid", f"Must be a number from 1 to {self.max_page_size}.")
        return size

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the parameters for the API's document, with the bounds of the page size."""
        parameters = super().get_schema_operation_parameters(view)
        for each in parameters:
            if each["name"] == self.page_size_query_param:
                each["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return parameters

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page for the API's document."""
        link = {"type": ["string", "null"], "format": "uri", "description": "Null at the end of the list."}
        cursor = {"type": ["string", "null"], "description": "The `cursor` of that link."}
        properties = {"next": link, "previous": link, "next_cursor": cursor, "previous_cursor": cursor}
        properties["results"] = schema
        return {"type": "object", "properties": properties, "required": [*properties]}

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return the rows of this page; raise InvalidInput for a cursor that is malformed or of another order."""
        size = self.get_page_size(request)
        self.base_url = request.build_absolute_uri()
        self.order: tuple[str, ...] = self.get_ordering(request, queryset, view)
        start = self._start(request, queryset.model)
        order = tuple(map(_opposite, self.order)) if start.backwards else self.order
        # One extra row shows whether there is another page.
        if start.key is None and self.shared is not None and queryset is self.shared():
            found = _first_page(queryset, order, size + 1).rows()
        else:
            behind = queryset if start.key is None else queryset.filter(_behind(order, start.key))
            found = list(behind.order_by(*order)[: size + 1])
        self.page, more = found[:size], len(found) > size
        if start.backwards:
            self.page.reverse()
        came_from = start.key is not None
        self.has_previous, self.has_next = (more, came_from) if start.backwards else (came_from, more)
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with links to its neighbours, and their cursors alone."""
        following, before = self._next(), self._previous()
        links = {"next": self._link(following), "previous": self._link(before)}
        return Response(links | {"next_cursor": following, "previous_cursor": before, "results": data})

    def _next(self) -> str | None:
        """Return the cursor of the page after this one's last row, or of the first page if this one is empty."""
        if not self.has_next:
            return None
        return self._cursor(Keyset(self._key(self.page[-1]) if self.page else None))

    def _previous(self) -> str | None:
        """Return the cursor of the page before this one's first row, or of the last page if this one is empty."""
        if not self.has_previous:
            return None
        return self._cursor(Keyset(self._key(self.page[0]) if self.page else None, backwards=True))

    def _key(self, row: Any) -> tuple[str, ...]:
        return tuple(str(getattr(row, field.removeprefix("-"))) for field in self.order)

    def _cursor(self, start: Keyset) -> str:
        text = json.dumps({"order": self.order, "key": start.key, "backwards": start.backwards})
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _link(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        return replace_query_param(str(self.base_url), self.cursor_query_param, cursor)

    def _start(self, request: Request, model: type[Model]) -> Keyset:
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is None:
            return Keyset()
        try:
            return _decode(encoded, model, self.order)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, ValidationError) as error:
            raise InvalidInput.of("cursor", "invalid", "This cursor is not of this list in this order.") from error


@lru_cache(PREPARED)
def _first_page(queryset: QuerySet[Any], order: tuple[str, ...], size: int) -> Prepared:
    return Prepared(queryset.order_by(*order)[:size])


def _opposite(field: str) -> str:
    return field.removeprefix("-") if field.startswith("-") else f"-{field}"


def _decode(encoded: str, model: type[Model], order: Sequence[str]) -> Keyset:
    """Return the cursor's content; raise what `_read` does, TypeError or KeyError if it is no cursor of `order`."""
    fields = json.loads(urlsafe_b64decode(encoded.encode("ascii") + b"=="))
    if fields["order"] != list(order):
        raise ValueError("a cursor of another order")
    key = None if fields["key"] is None else _read(model, order, fields["key"])
    return Keyset(key, fields["backwards"] is True)


def _read(model: type[Model], order: Sequence[str], texts: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of a key's texts; raise ValueError, OverflowError or ValidationError for invalid ones."""
    values = []
    for field, text in zip(order, texts, strict=True):
        value = _column(model, field.removeprefix("-")).to_python(text)
        if value is None or (isinstance(value, datetime) and is_naive(value)):
            raise ValueError(f"{field} cannot be {text}")
        # PostgreSQL accepts fewer offsets than Python, but always UTC.
        values.append(value.astimezone(UTC) if isinstance(value, datetime) else value)
    return tuple(values)


def _column(model: type[Model], name: str) -> Any:
    """Return the type of a column of an order; what is no column is an annotated count."""
    try:
        column: Any = model._meta.get_field(name)  # noqa: SLF001 Django's documented API
    except FieldDoesNotExist:
        return BigIntegerField()
    return getattr(column, "output_field", column)  # of a generated one


def _behind(order: Sequence[str], key: Sequence[Any]) -> Q:
    """Return the rows after `key` in this order, filtered so that an index on the first field is used."""
    behind = Q()
    for field, value in reversed(list(zip(order, key, strict=True))):
        name, way = field.removeprefix("-"), "lt" if field.startswith("-") else "gt"
        further = Q(**{f"{name}__{way}": value})
        behind = Q(**{f"{name}__{way}e": value}) & (further | behind) if behind else further
    return behind
