"""The public log of a raffle: its leaves, its root at any size, and proofs that a leaf is in it.

Independent of Django. Shape and inclusion proofs as in RFC 9162. A log is kept as the hashes of its leaves and of its
full blocks of BLOCK leaves, so that a root or a proof at any size costs one hash for each block, and those of at most
two blocks: among a million leaves 2,000 SHA-256 and two blocks' hashes.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import NamedTuple
from uuid import UUID

HASH = 32
BLOCK = 512  # leaves, a power of two
HEADER = "kind,entry_id,a,b,x,at\n"
UNCLAIMED = "unclaimed"  # the public reason where nobody came
NOTHING = bytes(HASH)  # `x` where there is nothing to say
EMPTY_ROOT = sha256(b"").digest()

_LEAF, _NODE = b"\x00", b"\x01"
_DATA = Struct(">B16sQQ32sQ")


class Kind(IntEnum):
    """What a leaf says."""

    ENTERED = 1
    WITHDRAWN = 2
    FORFEITED = 3
    CLAIMED = 4


class Leaf(NamedTuple):
    """One line of the log; `at` is in Unix seconds. `a`, `b` and `x` depend on the kind."""

    kind: int
    entry_id: UUID
    a: int
    b: int
    x: bytes
    at: int

    @property
    def data(self) -> bytes:
        """The bytes that the leaf's hash commits to. Raises struct.error if a number does not fit."""
        return _DATA.pack(self.kind, self.entry_id.bytes, self.a, self.b, self.x, self.at)

    @property
    def hash(self) -> bytes:
        return sha256(_LEAF + self.data).digest()

    @property
    def line(self) -> str:
        """Its line of the log file."""
        return f"{self.kind},{self.entry_id},{self.a},{self.b},{self.x.hex()},{self.at}\n"


class ProofError(ValueError):
    """The proof does not show that the leaf is in the log."""


def reason_hash(reason: str) -> bytes:
    """Return `x` of a forfeit for this public reason."""
    return sha256(reason.encode()).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of leaves, or of equally high complete trees; the last one may be lower."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def root_of_blocks(blocks: Sequence[bytes], rest: Sequence[bytes]) -> bytes:
    """Return the root of a log with these full blocks and the leaves after them, fewer than BLOCK."""
    return root(_tops(blocks, rest))


def path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the siblings of one of the hashes, from it up. Raises IndexError if there is no such hash."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"index {index} is not in 0 … {len(hashes) - 1}")
    return list(_climb(hashes, index))


def path_of_blocks(blocks: Sequence[bytes], rest: Sequence[bytes], own: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof of the leaf at `index` in the log of `root_of_blocks`; `own` are the leaves of its block.

    Raises IndexError if there is no such leaf.
    """
    number, place = divmod(index, BLOCK)
    return [*path(own, place), *path(_tops(blocks, rest), number)]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Raise ProofError unless the proof leads from the leaf's hash at `index` to the root of the first `size` leaves.

    The number of its hashes follows from `index` and `size`: one too many or too few is refused.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not in a log of {size} leaves")
    digest, place, last = leaf, index, size - 1
    for sibling in proof:
        if len(sibling) != HASH:
            raise ProofError("a hash of the proof is malformed")
        if last == 0:
            raise ProofError("the proof has a hash too many")
        if place & 1 or place == last:
            digest = _node(sibling, digest)
            while not place & 1 and place:
                # It was the last of its level and had no sibling there.
                place, last = place >> 1, last >> 1
        else:
            digest = _node(digest, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofError("the proof has a hash too few")
    if digest != expected:
        raise ProofError("the proof leads to another root")


def _tops(blocks: Sequence[bytes], rest: Sequence[bytes]) -> list[bytes]:
    return [*blocks, root(rest)] if rest else list(blocks)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # Like `_node`, whose call would cost as much as its hash.
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [sha256(_NODE + left + right).digest() for left, right in pairs]
    return [*parents, level[-1]] if len(level) & 1 else parents


def _climb(level: Sequence[bytes], index: int) -> Iterator[bytes]:
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            yield level[sibling]
        level, index = _parents(level), index >> 1
