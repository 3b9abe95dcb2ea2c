"""Shared behaviour of pages for people: allowed methods, refusals, and links to the site."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from luxewin.api.problems import Problem, refuse


def site_links(request: HttpRequest | None = None) -> dict[str, str]:
    """Provide templates with the start of links to the site (`site`) and support's address, each empty if unset.

    Without a front end `site` is empty, so that the links lead to the pages of this backend.
    """
    return {"site": settings.FRONTEND_URL, "support": settings.SUPPORT_EMAIL}


def page[R: HttpResponseBase](*verbs: str) -> Callable[[Callable[..., R]], Callable[..., HttpResponseBase]]:
    """Decorate a view that serves a page: it takes GET, HEAD and `verbs`; every refusal is a page as well.

    A Problem that the view does not handle itself is shown with its status; another method is answered 405.
    """
    allowed = ("GET", "HEAD", *verbs)

    def decorate(view: Callable[..., R]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def serve(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in allowed:
                said = f"This page takes {', '.join(allowed)}."
                return refuse(request, 405, "method_not_allowed", said, headers={"Allow": ", ".join(allowed)})
            try:
                return view(request, *args, **kwargs)
            except Problem as refusal:
                headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
                return refuse(
                    request, refusal.status, refusal.code, refusal.detail, title=refusal.title, headers=headers
                )

        return serve

    return decorate
