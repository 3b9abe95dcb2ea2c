"""Merkle sum tree over the entries of a draw: the commitment, and the paths that prove an entry and its place.

Pure: nothing of Django. Shape as in RFC 9162. A million entries cost about two million SHA-256 and 110 MB.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import sub
from struct import iter_unpack
from typing import Literal, NamedTuple
from uuid import UUID

MOST_TICKETS = 2**64 - 1  # every number in the tree is written as u64

_LEAF, _NODE = b"\x00", b"\x01"
_SUM, _HASH = 8, 32
_RECORD = _SUM + _HASH  # a node is kept as u64(sum) ‖ hash, so that two neighbours are the preimage of their parent
_ID = 16


class Entry(NamedTuple):
    """The tickets `first_ticket … first_ticket + count - 1` of one purchase."""

    entry_id: UUID
    first_ticket: int
    count: int  # type: ignore[assignment]  # the protocol's name, though tuples have a method of that name


class Step(NamedTuple):
    """One sibling on the way from a leaf up to the root; `side` is where the sibling stands."""

    side: Literal["left", "right"]
    sum: int
    hash: bytes


class EntriesError(ValueError):
    """The entries are not the entries of a draw. `line` is the faulty line of the entries file, whose header is 1."""

    def __init__(self, line: int, fault: str) -> None:
        self.line = line
        super().__init__(f"line {line}: {fault}")


class PathError(ValueError):
    """The path does not prove the entry under this root."""


class Tree:
    """Entries ordered by first ticket, without overlap, each with at least one ticket and an id of its own.

    Raises EntriesError at the first entry that breaks this, or if there is none. Positions are 0-based.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._first_tickets = array("Q")
        self._before = array("Q", [0])  # tickets before each position, and last the tickets of all
        self._read(entries)
        self._levels = [self._leaves()]
        while len(self._levels[-1]) > _RECORD:
            self._levels.append(_parents(self._levels[-1]))

    @property
    def root(self) -> bytes:
        return self._levels[-1][_SUM:]

    @property
    def tickets(self) -> int:
        """The sum at the root: how many tickets are in the draw."""
        return self._before[-1]

    @property
    def count(self) -> int:
        """How many entries are in the draw."""
        return len(self._first_tickets)

    def entry(self, position: int) -> Entry:
        self._check_position(position)
        entry_id = UUID(bytes=self._ids[position * _ID : (position + 1) * _ID])
        return Entry(entry_id, self._first_tickets[position], self._before[position + 1] - self._before[position])

    def tickets_before(self, position: int) -> int:
        self._check_position(position)
        return self._before[position]

    def locate(self, index: int) -> int:
        """The position of the entry that holds the `index`-th ticket of the draw, counted from 0."""
        if not 0 <= index < self.tickets:
            raise IndexError(f"ticket index {index} is not in 0 … {self.tickets - 1}")
        return bisect_right(self._before, index) - 1

    def path(self, position: int) -> list[Step]:
        """The siblings from the leaf up; a node without a sibling rises unchanged and adds no step."""
        self._check_position(position)
        steps = []
        for level in self._levels[:-1]:
            sibling = (position ^ 1) * _RECORD
            if sibling < len(level):
                total = int.from_bytes(level[sibling : sibling + _SUM])
                digest = level[sibling + _SUM : sibling + _RECORD]
                steps.append(Step("left" if position & 1 else "right", total, digest))
            position >>= 1
        return steps

    def _check_position(self, position: int) -> None:
        if not 0 <= position < self.count:
            raise IndexError(f"position {position} is not in 0 … {self.count - 1}")

    def _read(self, entries: Iterable[Entry]) -> None:
        seen: set[bytes] = set()
        ids = bytearray()
        last_ticket = total = 0
        line = 1
        for line, (entry_id, first_ticket, count) in enumerate(entries, start=2):
            if count < 1:
                raise EntriesError(line, f"an entry holds at least one ticket, this one {count}")
            if first_ticket < 1:
                raise EntriesError(line, f"tickets are numbered from 1, this entry begins at {first_ticket}")
            if first_ticket <= last_ticket:
                raise EntriesError(line, f"begins at ticket {first_ticket}, but the line above ends at {last_ticket}")
            last_ticket = first_ticket + count - 1
            if last_ticket > MOST_TICKETS:
                raise EntriesError(line, "the last ticket's number does not fit in 64 bits")
            identity = entry_id.bytes
            if identity in seen:
                raise EntriesError(line, f"the entry {entry_id} is already above")
            seen.add(identity)
            total += count
            ids += identity
            self._first_tickets.append(first_ticket)
            self._before.append(total)
        if not seen:
            raise EntriesError(line, "a draw without entries has no tree")
        self._ids = bytes(ids)

    def _leaves(self) -> bytes:
        counts = map(sub, self._before[1:], self._before)
        return b"".join(
            count.to_bytes(_SUM) + sha256(_LEAF + entry_id + first_ticket.to_bytes(8) + count.to_bytes(8)).digest()
            for (entry_id,), first_ticket, count in zip(
                iter_unpack(f"{_ID}s", self._ids), self._first_tickets, counts, strict=True
            )
        )


def check_path(entry: Entry, path: Sequence[Step], root: bytes, tickets: int) -> int:
    """How many tickets come before the entry, proven by the path under this root and sum; else raises PathError."""
    if entry.first_ticket < 1 or entry.count < 1 or entry.first_ticket + entry.count - 1 > MOST_TICKETS:
        raise PathError("the entry's ticket numbers are impossible")
    total, before = entry.count, 0
    leaf = entry.entry_id.bytes + entry.first_ticket.to_bytes(8) + entry.count.to_bytes(8)
    digest = sha256(_LEAF + leaf).digest()
    for number, step in enumerate(path, start=1):
        if len(step.hash) != _HASH or not 0 < step.sum <= MOST_TICKETS - total:
            raise PathError(f"step {number} is malformed")
        here, sibling = total.to_bytes(_SUM) + digest, step.sum.to_bytes(_SUM) + step.hash
        match step.side:
            case "left":
                digest = sha256(_NODE + sibling + here).digest()
                before += step.sum
            case "right":
                digest = sha256(_NODE + here + sibling).digest()
            case _:
                raise PathError(f"step {number} is on neither side")
        total += step.sum
    if total != tickets:
        raise PathError(f"the path sums to {total} tickets, the draw has {tickets}")
    if digest != root:
        raise PathError("the path leads to another root")
    return before


def _parents(level: bytes) -> bytes:
    paired = len(level) // (2 * _RECORD) * (2 * _RECORD)
    parents = [
        (left + right).to_bytes(_SUM) + sha256(_NODE + pair).digest()
        for (pair,), (left, right) in zip(
            iter_unpack(f"{2 * _RECORD}s", level[:paired]),
            iter_unpack(f">Q{_HASH}xQ{_HASH}x", level[:paired]),
            strict=True,
        )
    ]
    return b"".join(parents) + level[paired:]
