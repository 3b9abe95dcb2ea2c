"""How many threads of a process may wait for one outside party at once: one that hangs must not take them all."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore


class NoSlot(Exception):
    """So many wait for this party already that nobody else joins them."""


class Slots:
    """Places for those who wait for one party; fewer than the server has threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = BoundedSemaphore(most)

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place until the end of the block; raises NoSlot at once where none is free."""
        if not self._free.acquire(blocking=False):
            raise NoSlot(f"{self.most} requests wait for it already")
        try:
            yield
        finally:
            self._free.release()
