"""Personal data held: each app registers its areas, and an export has one file per area."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BinaryField, Model, QuerySet

from accounts.models import User

Rows = Callable[[User], Iterable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Area:
    """A file of an export, and the models whose rows are in it."""

    name: str
    about: str
    rows: Rows
    models: frozenset[str]
    #: The heading of a CSV file, in the order of each row's values. JSON has none.
    columns: tuple[str, ...] = ()


AREAS: dict[str, Area] = {}
# Models that refer to people but are in no area, with the reason.
LEFT_OUT: dict[str, str] = {}


def register(name: str, about: str, rows: Rows, *models: str, columns: tuple[str, ...] = ()) -> None:
    """Add a file `name` with these rows to exports: CSV if it has columns, else JSON. `models` are labels."""
    AREAS[name] = Area(name, about, rows, frozenset(models), columns)


def leave_out(reason: str, *models: str) -> None:
    """Record why no area has these models, by label; `app.*` is a whole app."""
    LEFT_OUT.update(dict.fromkeys(models, reason))


def rows_of(found: QuerySet[Any], *leaving_out: str, as_hex: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield all columns of these rows but bytes, claims and those named; columns added later are included.

    Bytes that people can use are named in `as_hex`.

    Cost: one query, and memory for the rows as the server sends them, which are one person's.
    """
    fields = [field for field in found.model._meta.concrete_fields if not isinstance(field, BinaryField)]  # noqa: SLF001
    names = [field.attname for field in fields if field.attname not in {"claimed_until", *leaving_out}]
    for row in found.values(*names, *as_hex).iterator(chunk_size=500):
        yield row | {name: row[name] and bytes(row[name]).hex() for name in as_hex}


def register_rows(
    name: str, about: str, model: type[Model], *leaving_out: str, by: str = "user", as_hex: tuple[str, ...] = ()
) -> None:
    """Register all rows of a model whose `by` leads to the person."""

    def rows(user: User) -> Iterator[dict[str, Any]]:
        found: QuerySet[Any] = model._default_manager.filter(**{by: user.pk}).order_by("pk")  # noqa: SLF001
        return rows_of(found, *leaving_out, as_hex=as_hex)

    register(name, about, rows, model._meta.label)  # noqa: SLF001
