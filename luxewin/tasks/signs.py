"""Signs of life of a worker's parts, in memory shared by its processes."""

from collections.abc import Iterator
from enum import IntEnum
from multiprocessing.sharedctypes import RawArray
from time import monotonic


class Part(IntEnum):
    """The parts that must keep running; the label says what is wrong when one does not."""

    QUEUE = 0, "no task went through the queue"
    SENTINEL = 1, "the sentinel, which replaces dead processes, did not go round"
    TIMER = 2, "the timer of the sweeps did not go round"
    MAIN = 3, "the main process did not go round"

    def __new__(cls, value: int, _label: str) -> "Part":
        """Set the index as value, and the label beside it."""
        member = int.__new__(cls, value)
        member._value_ = value
        return member

    def __init__(self, _value: int, label: str) -> None:
        self.label = label


class SignsOfLife:
    """When each part was last seen, by the machine's monotonic clock.

    Without a lock, which a killed process could hold for ever. Writing one number is atomic.
    """

    def __init__(self) -> None:
        self._seen = RawArray("d", len(Part))
        self.reset()

    def reset(self) -> None:
        """Mark all parts as seen now."""
        for part in Part:
            self.see(part)

    def see(self, part: Part) -> None:
        """Mark the part as seen now."""
        self._seen[part] = monotonic()

    def silence(self, part: Part) -> float:
        """Return the seconds since the part was last seen."""
        return monotonic() - self._seen[part]

    def silent(self, seconds: float) -> Iterator[Part]:
        """Return the parts that were not seen for so long."""
        return (part for part in Part if self.silence(part) > seconds)
