"""Filters for lists of large tables: none reads the table to find its choices."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, DateFieldListFilter

from luxewin.clock import database_now

MONTHS = 24


class MonthFilter(DateFieldListFilter):
    """Filter by Django's periods, and by each of the last MONTHS months."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until = database_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(MONTHS):
            since = (until - timedelta(days=1)).replace(day=1)
            self.links += ((f"{since:%Y-%m}", {self.lookup_kwarg_since: since, self.lookup_kwarg_until: until}),)  # type: ignore[assignment]
            until = since


def known(values: Callable[[], Iterable[str]]) -> type[AllValuesFieldListFilter]:
    """Return a filter with these values, read for each page; Django's reads all distinct values of the table."""

    class KnownValuesFilter(AllValuesFieldListFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.lookup_choices = list(values())  # type: ignore[assignment]

    return KnownValuesFilter
