"""Public reads: answers that are the same for everyone, what they depend on, and how long they may be kept.

`public_read` declares one. What an answer shows changes without notice (counters, phases, descriptions), so nothing is
ever invalidated: an answer counts for FRESH_SECONDS. `luxewin.server.public_answers` keeps them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django_filters import FilterSet, MultipleChoiceFilter
from rest_framework.request import Request

from luxewin import replica
from luxewin.api.pagination import CursorPages

FRESH_SECONDS = 1
#: How long the last good answer stands in while no new one can be made.
STALE_SECONDS = 300
FRESH = f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={FRESH_SECONDS}, stale-if-error={STALE_SECONDS}"
#: For what can never change; a view sets it.
FOR_GOOD = "public, max-age=31536000, immutable"
MESSAGES_COOKIE = "messages"


@dataclass(frozen=True, slots=True)
class PublicRead:
    """What the answers of a public route depend on beside their path."""

    #: The known parameters; each with the value that means the same as leaving it out, if there is one.
    parameters: Mapping[str, str | None]
    #: Those that may come more than once; of the others the last counts, as Django has it.
    several: frozenset[str]
    #: The type of the answers.
    media: str
    #: Whether unknown parameters are refused. Pages ignore them: links that people share grow parameters.
    refuses_unknown: bool

    def normal(self, query: str) -> str | None:
        """Return the one spelling of this query string; None if it is refused. Raise SuspiciousOperation."""
        given = QueryDict(query)
        if self.refuses_unknown and given.keys() - self.parameters.keys():
            return None
        kept: list[tuple[str, str]] = []
        for name in sorted(given.keys() & self.parameters.keys()):
            if name in self.several:
                kept += [(name, value) for value in sorted(set(given.getlist(name)))]
            elif (value := given[name]) != self.parameters[name]:
                kept.append((name, value))
        return urlencode(kept)


def public_read(
    *parameters: str,
    filters: type[FilterSet] | None = None,
    pages: type[CursorPages] | None = None,
    defaults: Mapping[str, str] | None = None,
    media: str = "application/json",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare that a viewset's action answers everyone alike, by its path and these parameters only.

    Other parameters are refused (`luxewin.api.views`). `defaults` are values that mean the same as leaving a parameter
    out. An answer with its own `Cache-Control` keeps it, but nobody who is known gets one that a cache may keep.
    """
    filtered = filters.base_filters if filters else {}
    known: dict[str, str | None] = dict.fromkeys(parameters) | dict.fromkeys(filtered, "")
    several = frozenset(name for name, field in filtered.items() if isinstance(field, MultipleChoiceFilter))
    if pages:
        known |= {pages.cursor_query_param: None, pages.page_size_query_param: str(pages.page_size)}
    declared = PublicRead(known | dict(defaults or {}), several, media, refuses_unknown=True)

    def decorate(action: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(action)
        def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            return _answered(request.META, lambda: action(view, request, *args, **kwargs))

        answer.public_read = declared  # type: ignore[attr-defined]  # for `declaration_of`
        return answer

    return decorate


def public_page(*parameters: str, media: str = "text/html") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the same of a page, which takes no notice of other parameters."""
    declared = PublicRead(dict.fromkeys(parameters), frozenset(), media, refuses_unknown=False)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return _answered(request.META, lambda: view(request, *args, **kwargs))

        answer.public_read = declared  # type: ignore[attr-defined]  # for `declaration_of`
        return answer

    return decorate


def declaration_of(view: Any) -> PublicRead | None:
    """Return what the view that an address resolves to declares for GET; None unless it is a public read."""
    if actions := getattr(view, "actions", None):
        view = getattr(view.cls, actions.get("get", ""), None)
    return getattr(view, "public_read", None)


def is_anonymous(*, cookies: str) -> bool:
    """Whether no cookie says who asks. Cookies of other programs on this domain do not count.

    Looks for the names of our cookies anywhere in the header, so that no way of writing one escapes.
    """
    ours = (settings.SESSION_COOKIE_NAME, settings.ACCESS_COOKIE, settings.REFRESH_COOKIE, MESSAGES_COOKIE)
    return not any(name in cookies for name in ours)


def _answered(meta: Mapping[str, str], read: Callable[[], Any]) -> Any:
    """Answer from the replica, if there is one and nobody is known, and say how long caches may keep it."""
    if "HTTP_AUTHORIZATION" in meta or not is_anonymous(cookies=meta.get("HTTP_COOKIE", "")):
        response = read()
        response["Cache-Control"] = "no-store"
        return response
    response = replica.answer(read)
    if response.status_code in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
        response.setdefault("Cache-Control", FRESH)
    return response
