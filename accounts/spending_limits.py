"""A person's spending in this calendar month (UTC): the apps that sell measure it, and accounts only shows it."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

_measures: list[Callable[[UUID], dict[str, int]]] = []


def register(measure: Callable[[UUID], dict[str, int]]) -> None:
    """Register an app's `measure`, which returns a person's spending this month, by currency, in Stripe's unit."""
    _measures.append(measure)


def spent_by(user_id: UUID) -> Counter[str]:
    """Return the spending in all apps together, by currency. Cost: one statement per app."""
    spent: Counter[str] = Counter()
    for measure in _measures:
        spent.update(measure(user_id))
    return spent
