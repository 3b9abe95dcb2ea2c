"""The Merkle sum tree: its root, its paths, and what it refuses."""

import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.merkle import EntriesError, Entry, PathError, Step, Tree, check_path

VECTORS = json.loads((Path(__file__).parent / "data" / "draw-vectors.json").read_text())["vectors"]


@st.composite
def entries_of_a_draw(draw: st.DrawFn) -> list[Entry]:
    sizes = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 400)), min_size=1, max_size=70))
    entries, ticket = [], 1
    for number, (gap, count) in enumerate(sizes, start=1):
        entries.append(Entry(UUID(int=number), ticket + gap, count))
        ticket += gap + count
    return entries


def entries_of(vector: dict) -> list[Entry]:
    return [Entry(UUID(entry_id), first_ticket, count) for entry_id, first_ticket, count in vector["entries"]]


def by_the_definition(entries: list[Entry]) -> tuple[int, bytes]:
    """Sum and hash as RFC 9162 defines the shape: left, the largest power of two smaller than the whole."""
    if len(entries) == 1:
        entry_id, first_ticket, count = entries[0]
        return count, sha256(b"\x00" + entry_id.bytes + first_ticket.to_bytes(8) + count.to_bytes(8)).digest()
    left_size = 1 << (len(entries) - 1).bit_length() - 1
    left_sum, left = by_the_definition(entries[:left_size])
    right_sum, right = by_the_definition(entries[left_size:])
    node = b"\x01" + left_sum.to_bytes(8) + left + right_sum.to_bytes(8) + right
    return left_sum + right_sum, sha256(node).digest()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector['entries'])} entries")
def test_the_vectors_give_their_root_tickets_and_path(vector: dict) -> None:
    tree = Tree(entries_of(vector))
    assert tree.root.hex() == vector["root"]
    assert tree.tickets == vector["tickets"]
    path = [
        {"side": step.side, "sum": step.sum, "hash": step.hash.hex()}
        for step in tree.path(vector["path_of"]["position"])
    ]
    assert path == vector["path_of"]["path"]


@given(entries_of_a_draw())
def test_the_shape_is_that_of_the_recursive_definition(entries: list[Entry]) -> None:
    tree = Tree(entries)
    assert (tree.tickets, tree.root) == by_the_definition(entries)


def test_the_shape_holds_for_every_size_up_to_a_hundred_and_thirty() -> None:
    entries = [Entry(UUID(int=number), number, 1) for number in range(1, 131)]
    for size in range(1, 131):
        assert Tree(entries[:size]).root == by_the_definition(entries[:size])[1]


@given(entries_of_a_draw(), st.data())
def test_a_path_proves_the_entry_and_the_tickets_before_it(entries: list[Entry], data: st.DataObject) -> None:
    tree = Tree(entries)
    position = data.draw(st.integers(0, len(entries) - 1))
    before = check_path(entries[position], tree.path(position), tree.root, tree.tickets)
    assert before == sum(entry.count for entry in entries[:position]) == tree.tickets_before(position)
    assert tree.entry(position) == entries[position]


@given(entries_of_a_draw(), st.data())
def test_every_index_lies_in_the_entry_it_is_located_in(entries: list[Entry], data: st.DataObject) -> None:
    tree = Tree(entries)
    index = data.draw(st.integers(0, tree.tickets - 1))
    position = tree.locate(index)
    assert tree.tickets_before(position) <= index < tree.tickets_before(position) + entries[position].count


@given(entries_of_a_draw(), st.data())
def test_a_path_with_any_change_proves_nothing(entries: list[Entry], data: st.DataObject) -> None:
    tree = Tree(entries)
    position = data.draw(st.integers(0, len(entries) - 1))
    entry, path = entries[position], tree.path(position)
    changes = [
        (entry._replace(first_ticket=entry.first_ticket + 1), path, tree.root, tree.tickets),
        (entry._replace(count=entry.count + 1), path, tree.root, tree.tickets + 1),
        (entry._replace(entry_id=UUID(int=2**128 - 1)), path, tree.root, tree.tickets),
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


@pytest.mark.parametrize(
    "step",
    [
        Step("right", 0, bytes(32)),
        Step("right", -1, bytes(32)),
        Step("right", 2**64 - 1, bytes(32)),
        Step("right", 1, bytes(31)),
        Step("above", 1, bytes(32)),
    ],
    ids=["no sum", "negative sum", "sum beyond 64 bits", "short hash", "unknown side"],
)
def test_a_malformed_step_is_refused(step: Step) -> None:
    with pytest.raises(PathError, match="step 1"):
        check_path(Entry(UUID(int=1), 1, 1), [step], bytes(32), 2)


@pytest.mark.parametrize("entry", [(0, 1), (1, 0), (2**64 - 1, 2), (-1, 1)], ids=str)
def test_an_entry_with_impossible_numbers_is_refused_by_its_path(entry: tuple[int, int]) -> None:
    with pytest.raises(PathError, match="impossible"):
        check_path(Entry(UUID(int=1), *entry), [], bytes(32), 1)


@pytest.mark.parametrize(
    ("entries", "line", "fault"),
    [
        ([], 1, "without entries"),
        ([(1, 1, 0)], 2, "at least one ticket"),
        ([(1, 0, 1)], 2, "numbered from 1"),
        ([(1, 1, 5), (2, 5, 1)], 3, "begins at ticket 5, but the line above ends at 5"),
        ([(1, 9, 1), (2, 1, 1)], 3, "begins at ticket 1"),
        ([(1, 1, 1), (2, 2, 1), (1, 3, 1)], 4, "already above"),
        ([(1, 1, 1), (2, 2**64 - 1, 2)], 3, "64 bits"),
    ],
    ids=["empty", "no ticket", "ticket 0", "overlap", "unordered", "same id twice", "too large"],
)
def test_faulty_entries_are_refused_with_their_line(entries: list[tuple[int, int, int]], line: int, fault: str) -> None:
    with pytest.raises(EntriesError, match=fault) as caught:
        Tree(Entry(UUID(int=number), first_ticket, count) for number, first_ticket, count in entries)
    assert caught.value.line == line


def test_what_is_not_in_the_tree_is_not_found() -> None:
    tree = Tree([Entry(UUID(int=1), 1, 5)])
    for call, argument in ((tree.locate, 5), (tree.locate, -1), (tree.path, 1), (tree.path, -1), (tree.entry, 1)):
        with pytest.raises(IndexError):
            call(argument)


def test_the_largest_tickets_fit() -> None:
    entries = [Entry(UUID(int=1), 1, 2**64 - 2), Entry(UUID(int=2), 2**64 - 1, 1)]
    tree = Tree(entries)
    assert tree.tickets == 2**64 - 1
    assert [check_path(entry, tree.path(place), tree.root, tree.tickets) for place, entry in enumerate(entries)] == [
        0,
        2**64 - 2,
    ]


def test_the_entries_of_a_tree_do_not_overlap() -> None:
    tree = Tree(entries_of(VECTORS[-1]))
    entries = [tree.entry(position) for position in range(tree.count)]
    assert all(left.first_ticket + left.count <= right.first_ticket for left, right in pairwise(entries))
