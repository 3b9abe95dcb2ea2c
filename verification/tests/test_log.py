"""The pure log: the protocol's vectors, roots by blocks, and proofs of the wrong size."""

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from verification import log
from verification.log import BLOCK, EMPTY_ROOT, Leaf, ProofError, check_inclusion

VECTORS = json.loads((Path(__file__).parent / "data" / "draw-vectors.json").read_text())["vectors"]


def leaves_of(vector):
    return [Leaf(kind, UUID(entry), a, b, bytes.fromhex(x), at) for kind, entry, a, b, x, at in vector["log"]]


def hashes(count):
    return [sha256(number.to_bytes(4)).digest() for number in range(count)]


def rfc_root(level):
    """The definition of RFC 9162, 2.1.1."""
    if len(level) == 1:
        return level[0]
    split = 1 << (len(level) - 1).bit_length() - 1
    return sha256(b"\x01" + rfc_root(level[:split]) + rfc_root(level[split:])).digest()


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_logs_have_their_roots(vector):
    found = [leaf.hash for leaf in leaves_of(vector)]
    assert log.root(found[: vector["log_size"]]).hex() == vector["log_root"]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_proofs_are_made_and_hold(vector):
    told, size = vector["inclusion_of"], vector["log_size"]
    found = [leaf.hash for leaf in leaves_of(vector)][:size]
    proof = [bytes.fromhex(each) for each in told["proof"]]
    assert found[told["index"]].hex() == told["leaf"]
    assert log.path(found, told["index"]) == proof
    check_inclusion(found[told["index"]], told["index"], size, proof, bytes.fromhex(vector["log_root"]))


def test_an_empty_log_has_the_hash_of_nothing_as_its_root():
    assert log.root([]) == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("size", [*range(1, 40), BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7])
def test_the_root_is_the_same_by_definition_by_levels_and_by_blocks(size):
    every = hashes(size)
    full = size // BLOCK
    blocks = [log.root(every[number * BLOCK : (number + 1) * BLOCK]) for number in range(full)]
    rest = every[full * BLOCK :]
    assert rfc_root(every) == log.root(every) == log.root_of_blocks(blocks, rest)
    for index in {0, 1, size // 2, size - 1, full * BLOCK} & set(range(size)):
        own = every[index // BLOCK * BLOCK :][:BLOCK]
        assert log.path(every, index) == log.path_of_blocks(blocks, rest, own, index)


@given(some.integers(1, 70), some.data())
def test_a_proof_holds_for_its_own_leaf_index_and_size_only(size, data):
    index = data.draw(some.integers(0, size - 1))
    every = hashes(size)
    proof, root = log.path(every, index), log.root(every)
    check_inclusion(every[index], index, size, proof, root)
    for other in set(range(size)) - {index}:
        with pytest.raises(ProofError):
            check_inclusion(every[other], index, size, proof, root)
        with pytest.raises(ProofError):
            check_inclusion(every[index], other, size, proof, root)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_a_hash_too_many_or_too_few_and_an_index_beyond_the_size_are_refused(size):
    every = hashes(size)
    root = log.root(every)
    for index in range(size):
        proof = log.path(every, index)
        for wrong in (
            [*proof, root],
            [root, *proof],
            [*proof, bytes(32)],
            proof[1:],
            proof[:-1],
            [b"short", *proof[1:]],
        ):
            if wrong != proof:
                with pytest.raises(ProofError):
                    check_inclusion(every[index], index, size, wrong, root)
        for place, length in ((size, size), (index + size, size), (-1, size), (index, 0), (0, 0)):
            with pytest.raises(ProofError):
                check_inclusion(every[index], place, length, proof, root)


def test_a_node_of_the_tree_is_no_leaf_of_a_smaller_log():
    every = hashes(4)
    upper = [log.root(every[:2]), log.root(every[2:])]
    # The same root with half the leaves: only the size tells them apart, and it is part of the head.
    assert log.root(upper) == log.root(every)
    with pytest.raises(ProofError, match="too few"):
        check_inclusion(upper[0], 0, 4, [upper[1]], log.root(every))


def test_the_proof_of_the_only_leaf_is_empty():
    (only,) = hashes(1)
    assert log.path([only], 0) == []
    check_inclusion(only, 0, 1, [], only)
    with pytest.raises(ProofError, match="too many"):
        check_inclusion(only, 0, 1, [bytes(32)], only)
