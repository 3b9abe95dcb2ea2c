"""Filters for lists of large tables: none reads the table to find out what it could offer."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, DateFieldListFilter

from luxewin.clock import database_now

MONTHS = 24


class MonthFilter(DateFieldListFilter):
    """Django's periods, and each of the last MONTHS months."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until = database_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(MONTHS):
            since = (until - timedelta(days=1)).replace(day=1)
            self.links += ((f"{since:%Y-%m}", {self.lookup_kwarg_since: since, self.lookup_kwarg_until: until}),)  # type: ignore[assignment]
            until = since


def known(values: Callable[[], Iterable[str]]) -> type[AllValuesFieldListFilter]:
    """A filter that offers these values, asked for with each page; Django's selects all distinct ones of the table."""

    class KnownValuesFilter(AllValuesFieldListFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.lookup_choices = list(values())  # type: ignore[assignment]

    return KnownValuesFilter
