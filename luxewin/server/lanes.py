"""Lanes: how many requests of each kind are worked on at once and wait, so that none of them crowds out the others.

More requests than a process can answer are refused at once, which costs next to nothing; what is served stays near the
best that the process can do. Kinds that matter most have threads of their own and come first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEALTH_AT_ONCE = 4
WAIT_SECONDS = 5.0  # longer than that a client does not wait, and Stripe sends again


class OverloadedError(Exception):
    """A request of this kind has no place to wait, or has waited for WAIT_SECONDS."""


@dataclass(slots=True, eq=False)
class Lane:
    """One kind of requests, by the beginning of their path."""

    name: str
    prefixes: tuple[str, ...]
    #: How many have a thread at once, and how many wait for one.
    at_once: int
    waiting: int
    running: int = field(default=0, init=False)
    queue: "deque[asyncio.Future[None]]" = field(default_factory=deque, init=False)


def lanes_of_product(*, reads: int, checkout: int, settlement: int, staff: int, waiting: int) -> list[Lane]:
    """Return the lanes of LuxeWin, most important first; `waiting` is how many may wait for each that has a thread."""
    lanes = [
        ("health", ("/health/", "/metrics"), HEALTH_AT_ONCE),
        ("settlement", ("/api/v1/webhooks/", "/api/v1/purchases/verify"), settlement),
        ("checkout", ("/api/v1/purchases", "/api/v1/auth/", "/api/v1/users/"), checkout),
        ("staff", ("/admin/",), staff),
        ("reads", ("",), reads),
    ]
    return [Lane(name, prefixes, most, most * waiting) for name, prefixes, most in lanes]


class Lanes:
    """Turns for the threads of one process. Not thread-safe: for its event loop alone."""

    def __init__(self, threads: int, lanes: Sequence[Lane]) -> None:
        """Take lanes in the order of their importance; the last one takes every path."""
        self._free = threads
        self._lanes = lanes

    def lane_of(self, path: str) -> Lane:
        """Return the first lane that the path belongs to."""
        return next(lane for lane in self._lanes if path.startswith(lane.prefixes))

    @asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """Wait for a thread, and keep it until the end of the block. Raise OverloadedError, mostly at once."""
        if self._has_room(lane):
            self._start(lane)
        else:
            await self._wait(lane)
        try:
            yield
        finally:
            self._end(lane)

    def is_full(self, lane: Lane) -> bool:
        """Whether one more of this kind would be refused."""
        return not self._has_room(lane) and len(lane.queue) >= lane.waiting

    def _has_room(self, lane: Lane) -> bool:
        return self._free > 0 and lane.running < lane.at_once

    def _start(self, lane: Lane) -> None:
        self._free -= 1
        lane.running += 1

    def _end(self, lane: Lane) -> None:
        self._free += 1
        lane.running -= 1
        for each in self._lanes:
            while each.queue and self._has_room(each):
                self._start(each)
                each.queue.popleft().set_result(None)

    async def _wait(self, lane: Lane) -> None:
        if self.is_full(lane):
            raise OverloadedError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.queue.append(turn)
        has_turn = False
        try:
            await asyncio.wait([turn], timeout=WAIT_SECONDS)
            has_turn = turn.done()
        finally:
            if not has_turn:  # its time is over, or the server stops
                self._end(lane) if turn.done() else lane.queue.remove(turn)
        if not has_turn:
            raise OverloadedError
