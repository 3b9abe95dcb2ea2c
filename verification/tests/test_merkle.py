"""The Merkle sum tree: its root, its paths, and what it refuses."""

import json
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.merkle import RECORD, EntriesError, Entry, Index, PathError, Step, Tree, check_path

VECTORS = json.loads((Path(__file__).parent / "data" / "draw-vectors.json").read_text())["vectors"]


def holder_of(number: int) -> bytes:
    return sha256(number.to_bytes(32)).digest()


@st.composite
def entries_of_a_draw(draw: st.DrawFn) -> list[Entry]:
    sizes = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 400)), min_size=1, max_size=70))
    entries, ticket = [], 1
    for number, (gap, count) in enumerate(sizes, start=1):
        entries.append(Entry(UUID(int=number), ticket + gap, count, holder_of(number)))
        ticket += gap + count
    return entries


def entries_of(vector: dict) -> list[Entry]:
    return [
        Entry(UUID(entry_id), first_ticket, count, bytes.fromhex(holder))
        for entry_id, first_ticket, count, holder in vector["entries"]
    ]


def tree_of(entries: Iterable[Entry]) -> Tree:
    return Tree(entry.record for entry in entries)


def by_the_definition(entries: list[Entry]) -> tuple[int, bytes]:
    """Sum and hash as RFC 9162 defines the shape: left, the largest power of two smaller than the whole."""
    if len(entries) == 1:
        entry_id, first_ticket, count, holder = entries[0]
        return count, sha256(b"\x00" + entry_id.bytes + first_ticket.to_bytes(8) + count.to_bytes(8) + holder).digest()
    left_size = 1 << (len(entries) - 1).bit_length() - 1
    left_sum, left = by_the_definition(entries[:left_size])
    right_sum, right = by_the_definition(entries[left_size:])
    node = b"\x01" + left_sum.to_bytes(8) + left + right_sum.to_bytes(8) + right
    return left_sum + right_sum, sha256(node).digest()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector['entries'])} entries")
def test_the_vectors_give_their_root_tickets_and_path(vector: dict) -> None:
    tree = tree_of(entries_of(vector))
    assert tree.root.hex() == vector["root"]
    assert tree.tickets == vector["tickets"]
    path = [
        {"side": step.side, "sum": step.sum, "hash": step.hash.hex()}
        for step in tree.path(vector["path_of"]["position"])
    ]
    assert path == vector["path_of"]["path"]


@given(entries_of_a_draw())
def test_the_shape_is_that_of_the_recursive_definition(entries: list[Entry]) -> None:
    tree = tree_of(entries)
    assert (tree.tickets, tree.root) == by_the_definition(entries)


def test_the_shape_holds_for_every_size_up_to_a_hundred_and_thirty() -> None:
    entries = [Entry(UUID(int=number), number, 1, holder_of(number)) for number in range(1, 131)]
    for size in range(1, 131):
        assert tree_of(entries[:size]).root == by_the_definition(entries[:size])[1]


@given(entries_of_a_draw(), st.data())
def test_a_path_proves_the_entry_and_the_tickets_before_it(entries: list[Entry], data: st.DataObject) -> None:
    tree = tree_of(entries)
    position = data.draw(st.integers(0, len(entries) - 1))
    before = check_path(entries[position], tree.path(position), tree.root, tree.tickets)
    assert before == sum(entry.count for entry in entries[:position]) == tree.tickets_before(position)
    assert tree.entry(position) == entries[position]


@given(entries_of_a_draw(), st.data())
def test_every_index_lies_in_the_entry_it_is_located_in(entries: list[Entry], data: st.DataObject) -> None:
    tree = tree_of(entries)
    index = data.draw(st.integers(0, tree.tickets - 1))
    position = tree.locate(index)
    assert tree.tickets_before(position) <= index < tree.tickets_before(position) + entries[position].count


@given(entries_of_a_draw(), st.data())
def test_a_path_with_any_change_proves_nothing(entries: list[Entry], data: st.DataObject) -> None:
    tree = tree_of(entries)
    position = data.draw(st.integers(0, len(entries) - 1))
    entry, path = entries[position], tree.path(position)
    changes = [
        (entry._replace(first_ticket=entry.first_ticket + 1), path, tree.root, tree.tickets),
        (entry._replace(count=entry.count + 1), path, tree.root, tree.tickets + 1),
        (entry._replace(entry_id=UUID(int=2**128 - 1)), path, tree.root, tree.tickets),
        (entry._replace(holder=bytes(32)), path, tree.root, tree.tickets),
        (entry._replace(holder=entry.holder[:31]), path, tree.root, tree.tickets),
        (entry, path, sha256(tree.root).digest(), tree.tickets),
        (entry, path, tree.root, tree.tickets + 1),
        (entry, [*path, Step("right", 1, bytes(32))], tree.root, tree.tickets + 1),
    ]
    if path:
        number = data.draw(st.integers(0, len(path) - 1))
        step = path[number]
        other_side = "right" if step.side == "left" else "left"
        for changed in (
            step._replace(sum=step.sum + 1),
            step._replace(hash=sha256(step.hash).digest()),
            step._replace(side=other_side),
        ):
            tickets = tree.tickets + changed.sum - step.sum
            changes.append((entry, [*path[:number], changed, *path[number + 1 :]], tree.root, tickets))
        changes.append((entry, path[:-1], tree.root, tree.tickets - path[-1].sum))
    for change in changes:
        with pytest.raises(PathError):
            check_path(*change)


def path_by_index(tree: Tree, index: Index, entries: list[Entry], entry: Entry) -> list[Step]:
    """As whoever has the index and the entries, but not the tree, makes it."""
    number = index.block_of_ticket(entry.first_ticket)
    block = tree_of(each for each in entries if each.first_ticket in index.first_tickets_of(number))
    assert block.count <= tree.count
    return block.path(block.beginning_at(entry.first_ticket)) + index.path(number)


@given(entries_of_a_draw(), st.sampled_from([1, 2, 4, 16, 64, 256]))
def test_by_its_index_and_one_block_every_entry_has_the_path_of_the_tree(entries: list[Entry], block: int) -> None:
    tree = tree_of(entries)
    index = tree.index(block)
    assert len(index.first_tickets) == -(-len(entries) // block) * 8
    for position, entry in enumerate(entries):
        assert path_by_index(tree, index, entries, entry) == tree.path(position)


@given(entries_of_a_draw(), st.sampled_from([1, 2, 4, 16, 64, 256]))
def test_the_index_finds_the_block_of_every_ticket_and_of_every_index(entries: list[Entry], block: int) -> None:
    index = tree_of(entries).index(block)
    before = 0
    for position, entry in enumerate(entries):
        number, before_block = index.block_of_index(before)
        assert number == position // block
        assert before_block == sum(each.count for each in entries[: number * block])
        before += entry.count
        assert index.block_of_index(before - 1) == (number, before_block)
        for ticket in (entry.first_ticket, entry.first_ticket + entry.count - 1):
            assert index.block_of_ticket(ticket) == number
    for outside in (-1, before):
        with pytest.raises(IndexError):
            index.block_of_index(outside)
    with pytest.raises(IndexError):
        index.block_of_ticket(entries[0].first_ticket - 1)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 1000])
def test_the_index_holds_for_every_entry_around_whole_blocks(size: int) -> None:
    entries = [Entry(UUID(int=number), 3 * number, 1 + number % 3, holder_of(number)) for number in range(1, size + 1)]
    tree = tree_of(entries)
    index = Index(tree.index(256).first_tickets, tree.index(256).nodes)
    before = 0
    for position in range(size):
        path = path_by_index(
            tree, index, entries[position // 256 * 256 : position // 256 * 256 + 256], entries[position]
        )
        assert check_path(entries[position], path, tree.root, tree.tickets) == before
        before += entries[position].count


def test_an_index_of_another_size_is_refused() -> None:
    index = tree_of(entries_of(VECTORS[-1])).index(2)
    for first_tickets, nodes in (
        (index.first_tickets[:-8], index.nodes),
        (index.first_tickets, index.nodes[:-1]),
        (index.first_tickets, b""),
        (b"", index.nodes),
        (index.first_tickets[:-1], index.nodes),
        (b"", b""),
    ):
        with pytest.raises(ValueError, match="make no index"):
            Index(first_tickets, nodes)


@pytest.mark.parametrize("block", [0, -1, 3, 100])
def test_blocks_are_of_powers_of_two(block: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        tree_of(entries_of(VECTORS[0])).index(block)


@given(entries_of_a_draw(), st.data())
def test_the_digest_tells_any_change_and_how_they_come_does_not_matter(
    entries: list[Entry], data: st.DataObject
) -> None:
    whole = b"".join(entry.record for entry in entries)
    cut = data.draw(st.integers(0, len(entries))) * RECORD
    tree = Tree([whole[:cut], b"", whole[cut:]])
    assert (tree.digest, tree.root) == (sha256(whole).digest(), by_the_definition(entries)[1])
    assert tree_of([*entries[:-1], entries[-1]._replace(count=entries[-1].count + 1)]).digest != tree.digest


def test_no_entry_begins_where_none_does() -> None:
    tree = tree_of([Entry(UUID(int=1), 5, 2, holder_of(1)), Entry(UUID(int=2), 9, 1, holder_of(2))])
    assert [tree.beginning_at(ticket) for ticket in (5, 9)] == [0, 1]
    for ticket in (0, 4, 6, 8, 10):
        with pytest.raises(LookupError):
            tree.beginning_at(ticket)


@pytest.mark.parametrize(
    "step",
    [
        Step("right", 0, bytes(32)),
        Step("right", -1, bytes(32)),
        Step("right", 2**53 - 1, bytes(32)),
        Step("right", 1, bytes(31)),
        Step("above", 1, bytes(32)),
    ],
    ids=["no sum", "negative sum", "sum beyond 2^53", "short hash", "unknown side"],
)
def test_a_malformed_step_is_refused(step: Step) -> None:
    with pytest.raises(PathError, match="step 1"):
        check_path(Entry(UUID(int=1), 1, 1, holder_of(1)), [step], bytes(32), 2)


@pytest.mark.parametrize("entry", [(0, 1), (1, 0), (2**53 - 1, 2), (-1, 1)], ids=str)
def test_an_entry_with_impossible_numbers_is_refused_by_its_path(entry: tuple[int, int]) -> None:
    with pytest.raises(PathError, match="impossible"):
        check_path(Entry(UUID(int=1), *entry, holder_of(1)), [], bytes(32), 1)


@pytest.mark.parametrize(
    ("entries", "line", "fault"),
    [
        ([], 1, "without entries"),
        ([(1, 1, 0)], 2, "at least one ticket"),
        ([(1, 0, 1)], 2, "numbered from 1"),
        ([(1, 1, 5), (2, 5, 1)], 3, "begins at ticket 5, but the line above ends at 5"),
        ([(1, 9, 1), (2, 1, 1)], 3, "begins at ticket 1"),
        ([(1, 1, 1), (2, 2, 1), (1, 3, 1)], 4, "already above"),
        ([(1, 1, 1), (2, 2**53 - 1, 2)], 3, r"2\^53"),
    ],
    ids=["empty", "no ticket", "ticket 0", "overlap", "unordered", "same id twice", "too large"],
)
def test_faulty_entries_are_refused_with_their_line(entries: list[tuple[int, int, int]], line: int, fault: str) -> None:
    with pytest.raises(EntriesError, match=fault) as caught:
        tree_of(
            Entry(UUID(int=number), first_ticket, count, holder_of(place))
            for place, (number, first_ticket, count) in enumerate(entries)
        )
    assert caught.value.line == line


def test_what_is_not_in_the_tree_is_not_found() -> None:
    tree = tree_of([Entry(UUID(int=1), 1, 5, holder_of(1))])
    for call, argument in ((tree.locate, 5), (tree.locate, -1), (tree.path, 1), (tree.path, -1), (tree.entry, 1)):
        with pytest.raises(IndexError):
            call(argument)


def test_the_largest_tickets_fit() -> None:
    entries = [Entry(UUID(int=1), 1, 2**53 - 2, holder_of(1)), Entry(UUID(int=2), 2**53 - 1, 1, holder_of(2))]
    tree = tree_of(entries)
    assert tree.tickets == 2**53 - 1
    assert [check_path(entry, tree.path(place), tree.root, tree.tickets) for place, entry in enumerate(entries)] == [
        0,
        2**53 - 2,
    ]


def test_the_entries_of_a_tree_do_not_overlap() -> None:
    tree = tree_of(entries_of(VECTORS[-1]))
    entries = [tree.entry(position) for position in range(tree.count)]
    assert all(left.first_ticket + left.count <= right.first_ticket for left, right in pairwise(entries))


def test_a_holder_that_stands_twice_is_refused_with_its_line() -> None:
    first = Entry(UUID(int=1), 1, 1, holder_of(1))
    with pytest.raises(EntriesError, match="line 3: the holder") as caught:
        tree_of([first, Entry(UUID(int=2), 2, 1, first.holder)])
    assert caught.value.line == 3
