"""Merkle sum tree over the entries of a draw: the commitment, and the paths that prove an entry and its place.

Independent of Django. Shape as in RFC 9162. A million entries cost two million SHA-256 and 160 MB, most of it for the
records and the leaves' level. Their index costs 0.2 MB, and an entry's path by it two SHA-256 for each entry of one
block.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from operator import itemgetter
from struct import Struct, iter_unpack, unpack
from typing import Literal, NamedTuple, Self
from uuid import UUID

MOST_TICKETS = 2**53 - 1  # what the protocol allows, so that every number is exact in JSON

_LEAF, _NODE = b"\x00", b"\x01"
_SUM, _HASH = 8, 32
_PLACE = _SUM + _HASH  # a node is kept as u64(sum) ‖ hash, so that two neighbours are the preimage of their parent
# An entry as a leaf hashes it: entry_id ‖ u64(first_ticket) ‖ u64(count) ‖ holder.
_RECORD = Struct(">16sQQ32s")
RECORD = _RECORD.size


class Entry(NamedTuple):
    """The tickets `first_ticket … first_ticket + count - 1` of one purchase."""

    entry_id: UUID
    first_ticket: int
    count: int  # type: ignore[assignment]  # the protocol's name, though tuples have a method of that name
    holder: bytes  # 32 bytes: SHA-256 of a nonce that the buyer's device knows

    @property
    def record(self) -> bytes:
        """The RECORD bytes of the entry that its leaf hashes."""
        return _RECORD.pack(self.entry_id.bytes, self.first_ticket, self.count, self.holder)

    @classmethod
    def of_record(cls, record: bytes) -> Self:
        entry_id, first_ticket, count, holder = _RECORD.unpack(record)
        return cls(UUID(bytes=entry_id), first_ticket, count, holder)


class Step(NamedTuple):
    """One sibling on the way from a leaf to the root; `side` is the side of the sibling."""

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
    """Entries ordered by first ticket, without overlap, each with at least one ticket, a unique id and holder.

    Built from their records, in pieces of any number, each hashed as it arrives. Raises EntriesError at the first entry
    that breaks this, or if there is none. Positions are 0-based.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        hashed = [(piece, _leaves(piece)) for piece in pieces]
        self._records = b"".join(piece for piece, _ in hashed)
        self._levels = [b"".join(leaves for _, leaves in hashed)]
        del hashed
        self._before = _checked(self._records)  # tickets before each position, and finally all tickets
        while len(self._levels[-1]) > _PLACE:
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
        return len(self._before) - 1

    @property
    def digest(self) -> bytes:
        """SHA-256 of all records: equal for equal entries, and much faster to recompute than the root."""
        return sha256(self._records).digest()

    def entry(self, position: int) -> Entry:
        self._check_position(position)
        return Entry.of_record(self._records[position * RECORD : (position + 1) * RECORD])

    def tickets_before(self, position: int) -> int:
        self._check_position(position)
        return self._before[position]

    def locate(self, index: int) -> int:
        """Return the position of the entry that holds the `index`-th ticket of the draw, counted from 0."""
        if not 0 <= index < self.tickets:
            raise IndexError(f"ticket index {index} is not in 0 … {self.tickets - 1}")
        return bisect_right(self._before, index) - 1

    def beginning_at(self, ticket: int) -> int:
        """Return the position of the entry whose first ticket has this number. Raises LookupError if none has."""
        place = bisect_left(range(self.count), ticket, key=lambda position: self.entry(position).first_ticket)
        if place == self.count or self.entry(place).first_ticket != ticket:
            raise LookupError(f"no entry begins at ticket {ticket}")
        return place

    def path(self, position: int) -> list[Step]:
        """Return the siblings from the leaf up; a node without a sibling moves up unchanged and adds no step."""
        self._check_position(position)
        return _climb(self._levels, position)

    def index(self, block: int) -> "Index":
        """Return the upper levels of this tree, above blocks of `block` entries, a power of two."""
        if block < 1 or block & (block - 1):
            raise ValueError(f"{block} is no power of two")
        starts = range(0, len(self._records), block * RECORD)
        first_tickets = b"".join(self._records[start + 16 : start + 24] for start in starts)
        lowest = min(block.bit_length(), len(self._levels)) - 1
        return Index(first_tickets, b"".join(self._levels[lowest:]))

    def _check_position(self, position: int) -> None:
        if not 0 <= position < self.count:
            raise IndexError(f"position {position} is not in 0 … {self.count - 1}")


class Index:
    """The upper levels of a tree: together with one block's entries, all that their paths need.

    `first_tickets` holds the u64 of each block's first ticket, `nodes` the u64(sum) ‖ hash of each node from the
    blocks' level up to the root. Raises ValueError if the two have different numbers of blocks.
    """

    def __init__(self, first_tickets: bytes, nodes: bytes) -> None:
        self.first_tickets, self.nodes = first_tickets, nodes
        self._firsts = unpack(f">{len(first_tickets) // 8}Q", first_tickets[: len(first_tickets) // 8 * 8])
        sizes = [len(self._firsts)]
        while sizes[-1] > 1:
            sizes.append((sizes[-1] + 1) // 2)
        if not first_tickets or len(first_tickets) % 8 or sum(sizes) * _PLACE != len(nodes):
            raise ValueError(f"{len(nodes)} bytes of nodes and {len(first_tickets)} of first tickets make no index")
        ends = list(accumulate(size * _PLACE for size in sizes))
        self._levels = [nodes[end - size * _PLACE : end] for size, end in zip(sizes, ends, strict=True)]

    @cached_property
    def _before(self) -> list[int]:
        """Tickets before each block, and finally all tickets."""
        return list(accumulate(map(itemgetter(0), iter_unpack(f">Q{_HASH}x", self._levels[0])), initial=0))

    def block_of_ticket(self, ticket: int) -> int:
        """Return the block whose entries include this ticket number. Raises IndexError if it is before all."""
        if (number := bisect_right(self._firsts, ticket) - 1) < 0:
            raise IndexError(f"ticket {ticket} is before the first block")
        return number

    def block_of_index(self, index: int) -> tuple[int, int]:
        """Return the block of the draw's `index`-th ticket, counted from 0, and the tickets before that block."""
        if not 0 <= index < self._before[-1]:
            raise IndexError(f"ticket index {index} is not in 0 … {self._before[-1] - 1}")
        number = bisect_right(self._before, index) - 1
        return number, self._before[number]

    def first_tickets_of(self, number: int) -> range:
        """Return the range of first tickets of a block's entries."""
        following = number + 1
        end = self._firsts[following] if following < len(self._firsts) else MOST_TICKETS + 1
        return range(self._firsts[number], end)

    def path(self, number: int) -> list[Step]:
        """Return the siblings from the block up."""
        return _climb(self._levels, number)


def check_path(entry: Entry, path: Sequence[Step], root: bytes, tickets: int) -> int:
    """Return how many tickets precede the entry, as the path proves under this root and sum; else raise PathError."""
    if entry.first_ticket < 1 or entry.count < 1 or entry.first_ticket + entry.count - 1 > MOST_TICKETS:
        raise PathError("the entry's ticket numbers are impossible")
    if len(entry.holder) != _HASH:
        raise PathError(f"the entry's holder is {len(entry.holder)} bytes, not {_HASH}")
    total, before = entry.count, 0
    digest = sha256(_LEAF + entry.record).digest()
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


def _checked(records: bytes) -> array[int]:
    """Return the tickets before each entry, and finally of all entries. Raises EntriesError."""
    before = array("Q", [0])
    last_ticket = total = 0
    for line, (first_ticket, count) in enumerate(iter_unpack(">16xQQ32x", records), start=2):
        if not last_ticket < first_ticket <= first_ticket + count - 1 <= MOST_TICKETS:
            raise EntriesError(line, _fault(first_ticket, count, last_ticket))
        last_ticket = first_ticket + count - 1
        total += count
        before.append(total)
    if not records:
        raise EntriesError(1, "a draw without entries has no tree")
    _check_unique(records, "16s48x", "the entry")
    _check_unique(records, "32x32s", "the holder")
    return before


def _fault(first_ticket: int, count: int, last_ticket: int) -> str:
    if count < 1:
        return "an entry holds at least one ticket, this one none"
    if first_ticket < 1:
        return "tickets are numbered from 1, this entry begins at 0"
    if first_ticket <= last_ticket:
        return f"begins at ticket {first_ticket}, but the line above ends at {last_ticket}"
    return "the last ticket's number is above 2^53 - 1"


def _check_unique(records: bytes, form: str, name: str) -> None:
    """Raise EntriesError at the first record with a value, unpacked by `form`, that an earlier one has."""
    # One set made at once takes half the time of one that is asked for each value; duplicates are rare.
    if len({value for (value,) in iter_unpack(form, records)}) * RECORD == len(records):
        return
    seen: set[bytes] = set()
    for line, (value,) in enumerate(iter_unpack(form, records), start=2):
        if value in seen:
            raise EntriesError(line, f"{name} {value.hex()} is already above")
        seen.add(value)


def _leaves(records: bytes) -> bytes:
    leaves = [
        record[24:32] + sha256(_LEAF + record).digest()  # the count is the leaf's sum
        for (record,) in iter_unpack(f"{RECORD}s", records)
    ]
    return b"".join(leaves)


def _parents(level: bytes) -> bytes:
    paired = len(level) // (2 * _PLACE) * (2 * _PLACE)
    parents = [
        (left + right).to_bytes(_SUM) + sha256(_NODE + pair).digest()
        for (pair,), (left, right) in zip(
            iter_unpack(f"{2 * _PLACE}s", level[:paired]),
            iter_unpack(f">Q{_HASH}xQ{_HASH}x", level[:paired]),
            strict=True,
        )
    ]
    return b"".join(parents) + level[paired:]


def _climb(levels: Sequence[bytes], position: int) -> list[Step]:
    steps = []
    for level in levels[:-1]:
        sibling = (position ^ 1) * _PLACE
        if sibling < len(level):
            total = int.from_bytes(level[sibling : sibling + _SUM])
            steps.append(Step("left" if position & 1 else "right", total, level[sibling + _SUM : sibling + _PLACE]))
        position >>= 1
    return steps
