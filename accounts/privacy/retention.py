"""What rules of retention remove: the names that `RetentionRule` may have, each with what is due and how it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Remover:
    """How what a rule names is found and removed. What has no remover is never removed: the ledger and the proofs."""

    about: str
    #: Whatever the rule says, it is kept for so many days.
    floor_days: int
    #: What is older than a time, as far as it is still there.
    due: Callable[[datetime], QuerySet[Any]]
    #: Removes one batch of that, in the caller's transaction; returns how many.
    remove: Callable[[QuerySet[Any]], int]
    #: How many are in a batch: what takes a second or so.
    batch: int


REMOVERS: dict[str, Remover] = {}


def delete(batch: QuerySet[Any]) -> int:
    """Removes the rows; what hangs on them goes along and is not counted."""
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
    """Gives the rule of this name its effect; its row is seeded by migration 0002 of accounts."""
    REMOVERS[what] = Remover(about, floor_days, due, remove, batch)
