"""One search box for the back office: each app says what of its own can be found by which kind of text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

MOST_FOUND = 20  # of one kind


@dataclass(frozen=True, slots=True)
class Finder:
    """What can be found by a text of this form; `find` gets the match and uses an index."""

    name: str
    form: re.Pattern[str]
    find: Callable[[re.Match[str]], QuerySet[Any]]


FINDERS: list[Finder] = []


def finder(name: str, form: str, find: Callable[[re.Match[str]], QuerySet[Any]]) -> None:
    """Look for `name` where the whole text has this form, whatever its case."""
    FINDERS.append(Finder(name, re.compile(form, re.IGNORECASE), find))


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked for, and what of it was found: a text and an address each."""

    name: str
    found: list[tuple[str, str]]


def look(request: HttpRequest, site: AdminSite, text: str) -> Iterator[Looked]:
    """Look for everything that the text may name and this person may view. Cost: a query for each kind."""
    for each in FINDERS:
        if not (match := each.form.fullmatch(text)):
            continue
        rows = each.find(match)
        if site.is_registered(rows.model) and site.get_model_admin(rows.model).has_view_permission(request):
            yield Looked(each.name, [(str(row), _address(row)) for row in rows[:MOST_FOUND]])


def _address(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])  # noqa: SLF001
