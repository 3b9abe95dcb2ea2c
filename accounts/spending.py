"""What somebody spent in this calendar month (UTC): the rooms that sell know it, and accounts only shows it."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

_measures: list[Callable[[UUID], dict[str, int]]] = []


def register(measure: Callable[[UUID], dict[str, int]]) -> None:
    """Adds a room's: `measure` gives what a person spent there this month, by currency, in Stripe's unit."""
    _measures.append(measure)


def spent_by(user_id: UUID) -> Counter[str]:
    """In all rooms together, by currency. Cost: one statement a room."""
    spent: Counter[str] = Counter()
    for measure in _measures:
        spent.update(measure(user_id))
    return spent
