"""Walking through time: short stretches where much happened, long ones where nothing did."""

from collections.abc import Callable
from datetime import datetime, timedelta

FEW = 100


class Stretches:
    """From `at` to `end`, `shortest` at a time; twice as far after each stretch with less than FEW things in it."""

    def __init__(self, at: datetime, end: datetime, shortest: timedelta) -> None:
        self.at, self.end = at, end
        self._shortest = self._span = shortest

    def walk(self, visit: Callable[[datetime, datetime], int | None]) -> bool:
        """Has the next stretch visited; False, and nothing done, at the end.

        `visit` returns how much there was, or None if that was too much to handle in one: then it is tried shorter.
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
