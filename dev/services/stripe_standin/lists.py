"""Lists like Stripe's: newest first, by pages, between two times.

Every object of a kind that grows is also kept on its kind's shelf, oldest first. So a page costs only what is on it
(and what its filters skip), not a search through all objects.
"""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from localstripe.resources import StripeObject, try_convert_to_int

from dev.services.stripe_standin.errors import StripeError, missing_reference, unknown_parameter

MOST = 100


class Shelf:
    """Objects of one kind, oldest first."""

    def __init__(self, objects: Iterable[StripeObject] = ()) -> None:
        self.objects: list[StripeObject] = []
        self._places: dict[str, int] = {}
        for each in objects:
            self.add(each)

    def add(self, thing: StripeObject) -> None:
        self._places[thing.id] = len(self.objects)
        self.objects.append(thing)

    def place(self, identifier: str, param: str) -> int:
        """Return the object's place. Raises StripeError if there is no such object."""
        if identifier not in self._places:
            raise missing_reference("object", identifier, param)
        return self._places[identifier]

    def between(self, created: Any) -> tuple[int, int]:
        """Return the first place and the one after the last created at a time or within `{gt, gte, lt, lte}`."""
        first, end = 0, len(self.objects)
        for bound, moment in (created if isinstance(created, dict) else {"gte": created, "lte": created}).items():
            seconds = _whole(moment, "created")
            if bound in ("gt", "gte"):
                find = bisect_left if bound == "gte" else bisect_right
                first = max(first, find(self.objects, seconds, key=_created))
            elif bound in ("lt", "lte"):
                find = bisect_left if bound == "lt" else bisect_right
                end = min(end, find(self.objects, seconds, key=_created))
            else:
                raise unknown_parameter(f"created[{bound}]")
        return first, end


shelves = {kind: Shelf() for kind in ("event", "payment_intent", "charge", "refund", "dispute")}


def shelve(thing: Any) -> None:
    """Put a new object on the shelf of its kind."""
    if shelf := shelves.get(thing.object):
        shelf.add(thing)


def clear_shelves() -> None:
    for kind in shelves:
        shelves[kind] = Shelf()


class Page:
    """One page of a list, which localstripe's routes export."""

    def __init__(self, url: str, objects: list[StripeObject], *, has_more: bool) -> None:
        self._url, self._objects, self._has_more = url, objects, has_more

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        paths = [path.removeprefix("data.") for path in expand or []]
        data = [each._export(expand=list(paths)) for each in self._objects]
        return {"object": "list", "url": self._url, "has_more": self._has_more, "data": data}


def page(
    shelf: Shelf,
    url: str,
    matches: Callable[[Any], bool] = lambda _: True,
    *,
    limit: Any = 10,
    starting_after: str | None = None,
    ending_before: str | None = None,
    created: Any = None,
    **unknown: Any,
) -> Page:
    """Return the page that Stripe would. Raises StripeError for what Stripe refuses."""
    if unknown:
        raise unknown_parameter(next(iter(unknown)))
    limit = _whole(limit, "limit")
    if not 1 <= limit <= MOST:
        raise StripeError(400, f"Invalid limit: {limit} (1 to {MOST})", code="parameter_invalid_integer", param="limit")
    first, end = (0, len(shelf.objects)) if created is None else shelf.between(created)
    places: Iterable[int]
    if ending_before is not None:  # the nearest on the newer side, listed newest first like the rest
        places = range(max(first, shelf.place(ending_before, "ending_before") + 1), end)
    else:
        if starting_after is not None:
            end = min(end, shelf.place(starting_after, "starting_after"))
        places = range(end - 1, first - 1, -1)
    found = _some((shelf.objects[place] for place in places), matches, limit + 1)
    has_more, found = len(found) > limit, found[:limit]
    return Page(url, found[::-1] if ending_before is not None else found, has_more=has_more)


def _some(objects: Iterable[StripeObject], matches: Callable[[Any], bool], most: int) -> list[StripeObject]:
    found = []
    for each in objects:
        if matches(each):
            found.append(each)
            if len(found) == most:
                break
    return found


def _created(thing: StripeObject) -> int:
    return thing.created


def _whole(value: Any, param: str) -> int:
    number = try_convert_to_int(value)
    if not isinstance(number, int):
        raise StripeError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)
    return number
