"""Queries whose SQL is made once: for a page of rows, making it costs more than running it."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.models.utils import create_namedtuple_class

from luxewin.replica import reading_from


class Prepared:
    """A query for named tuples (`values_list(…, named=True)`), to be run any number of times and by any thread.

    Its conditions must hold whenever it runs: "now" has to be the database's, not a value.
    """

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._compiler = rows.query.get_compiler(DEFAULT_DB_ALIAS)
        self._sql, self._values = self._compiler.as_sql()
        self._row: Any = create_namedtuple_class(*rows._fields)  # type: ignore[attr-defined]

    def rows(self) -> list[Any]:
        """Run it. Cost: one statement."""
        with connections[reading_from()].cursor() as cursor:
            cursor.execute(self._sql, self._values)
            found = cursor.fetchall()
        return [self._row._make(row) for row in self._compiler.results_iter([found], tuple_expected=True)]
