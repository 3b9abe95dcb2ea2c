"""Stretches of time: short ones where much happened, long ones where nothing did."""

from collections.abc import Callable
from datetime import datetime, timedelta

FEW = 100


class Stretches:
    """From `at` to `end`, `shortest` at a time; twice as long after each stretch with fewer than FEW things in it."""

    def __init__(self, at: datetime, end: datetime, shortest: timedelta) -> None:
        self.at, self.end = at, end
        self._shortest = self._span = shortest

    def walk(self, visit: Callable[[datetime, datetime], int | None]) -> bool:
        """Visit the next stretch; return False, without a visit, at the end.

        `visit` returns how many things there were, or None if they were too many: then a shorter stretch is tried.
        """
        if self.at >= self.end:
            return False
        stop = min(self.at + self._span, self.end)
        found = visit(self.at, stop)
        if found is None:
            self._span = self._shortest
            return True
        self.at = stop
        self._span = self._span * 2 if found < FEW else self._shortest
        return True
