"""What rules of retention remove: for each name of a `RetentionRule`, which rows are due and how they are removed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Remover:
    """How a rule's data is found and removed. Data without a remover is never removed: the ledger and the proofs."""

    about: str
    #: Minimum number of days, whatever the rule says.
    floor_days: int
    #: Returns the rows that are older than a time and not removed yet.
    due: Callable[[datetime], QuerySet[Any]]
    #: Removes one batch of them, in the caller's transaction; returns how many.
    remove: Callable[[QuerySet[Any]], int]
    #: Rows per batch: about a second of work.
    batch: int


REMOVERS: dict[str, Remover] = {}


def delete(batch: QuerySet[Any]) -> int:
    """Delete the rows; cascaded rows are not counted."""
    return batch.delete()[1].get(batch.model._meta.label, 0)  # noqa: SLF001


def register(
    what: str,
    about: str,
    *,
    floor_days: int,
    due: Callable[[datetime], QuerySet[Any]],
    remove: Callable[[QuerySet[Any]], int] = delete,
    batch: int = 500,
) -> None:
    """Register what the rule of this name removes; its row is seeded by migration 0002 of accounts."""
    REMOVERS[what] = Remover(about, floor_days, due, remove, batch)
