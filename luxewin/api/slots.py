"""Limits on how many of a process's threads may wait for one outside party, so that a hanging one cannot take all."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore


class NoSlot(Exception):
    """All slots for this party are taken."""


class Slots:
    """Slots for threads that wait for one party; fewer than the server has threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = BoundedSemaphore(most)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot until the end of the block; raise NoSlot at once if none is free."""
        if not self._free.acquire(blocking=False):
            raise NoSlot(f"{self.most} requests wait for it already")
        try:
            yield
        finally:
            self._free.release()
