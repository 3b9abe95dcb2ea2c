"""The index of a committed draw's entries, and the paths that prove them, made without the whole tree."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from queue import SimpleQueue
from typing import Any, NamedTuple

from purchases.models import Purchase
from verification import merkle
from verification.entries import records
from verification.errors import ProofUnavailable, StepStuck
from verification.models import Draw, EntriesIndex

log = logging.getLogger(__name__)
BLOCK = 512  # entries; doubling it halves the index and doubles what a path hashes


class Proof(NamedTuple):
    """An entry, and the path that proves it and its place under the draw's root."""

    entry: merkle.Entry
    tickets_before: int
    path: list[dict[str, Any]]


def entries_tree(draw: Draw) -> Future[merkle.Tree]:
    """Read the raffle's paid purchases, while a thread builds the tree over them.

    So the database reads the next entries, and whatever the caller asks of it meanwhile, on one core, and this process
    hashes on another. The thread does not touch the database. Cost: a query per 10,000, and about two hashes per entry.
    """
    pieces: SimpleQueue[bytes | None] = SimpleQueue()
    thread = ThreadPoolExecutor(1)
    tree = thread.submit(lambda: merkle.Tree(piece for piece in iter(pieces.get, None) if piece))
    thread.shutdown(wait=False)
    try:
        for piece in records(draw.pk):
            pieces.put(piece)
    finally:
        pieces.put(None)  # also where the database fails: the thread ends
    return tree


def store_index(draw: Draw, tree: merkle.Tree) -> None:
    """Store the upper levels of the tree, in the transaction that commits."""
    index = tree.index(BLOCK)
    EntriesIndex.objects.create(draw=draw, first_tickets=index.first_tickets, nodes=index.nodes, digest=tree.digest)


def are_unchanged(draw: Draw) -> bool:
    """Whether the entries are still those that were committed. Cost: reading them, and one hash over all.

    Raises StepStuck if their index is missing.
    """
    kept = EntriesIndex.objects.values_list("digest", flat=True).filter(pk=draw.pk).first()
    if kept is None:
        raise StepStuck("the index of the committed entries is missing")
    digest = sha256()
    for piece in records(draw.pk):
        digest.update(piece)
    return digest.digest() == bytes(kept)


class Prover:
    """Proofs of a committed draw's entries, by its index. Cost: one query, and another for each block of entries.

    Every proof was checked against the draw's root. Raises ProofUnavailable if entries, index and root do not agree:
    it never returns a wrong path.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        try:
            stored = EntriesIndex.objects.get(pk=draw.pk)
            self._index = merkle.Index(bytes(stored.first_tickets), bytes(stored.nodes))
        except (EntriesIndex.DoesNotExist, ValueError) as error:
            raise self._broken(error) from error
        self._block = cache(self._read)

    def of_ticket(self, first_ticket: int) -> Proof:
        """Prove the entry that begins at this ticket."""
        try:
            number = self._index.block_of_ticket(first_ticket)
            block = self._block(number)
            return self._proof(number, block, block.beginning_at(first_ticket))
        except (ValueError, LookupError) as error:
            raise self._broken(error) from error

    def of_index(self, index: int) -> Proof:
        """Prove the entry that holds the draw's `index`-th ticket, counted from 0."""
        try:
            number, before = self._index.block_of_index(index)
            block = self._block(number)
            return self._proof(number, block, block.locate(index - before))
        except (ValueError, LookupError) as error:
            raise self._broken(error) from error

    def _read(self, number: int) -> merkle.Tree:
        return merkle.Tree(records(self.draw.pk, self._index.first_tickets_of(number)))

    def _proof(self, number: int, block: merkle.Tree, position: int) -> Proof:
        entry, path = block.entry(position), block.path(position) + self._index.path(number)
        before = merkle.check_path(entry, path, bytes.fromhex(self.draw.root), self.draw.tickets or 0)
        return Proof(entry, before, [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in path])

    def _broken(self, error: Exception) -> ProofUnavailable:
        log.error("draw %s: no path to its root: %s", self.draw.sequence, error)
        return ProofUnavailable("The proof of this entry is not available now. Our staff are looking into it.")


def prove_entry(draw: Draw, purchase: Purchase) -> dict[str, Any]:
    """Return one paid purchase's path to the committed root. Raises ProofUnavailable. Cost: two queries."""
    proof = Prover(draw).of_ticket(purchase.first_ticket or 0)
    return {
        "raffle": draw.pk,
        **proof.entry._asdict(),
        "holder": proof.entry.holder.hex(),
        "tickets_before": proof.tickets_before,
        "root": draw.root,
        "tickets": draw.tickets,
        "path": proof.path,
    }
