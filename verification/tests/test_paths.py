"""A buyer's path: made from the index of the draw and one block of entries, and never a wrong one."""

import threading
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from purchases.models import Purchase
from purchases.services import request_refund
from verification import entries, merkle, services
from verification.errors import ProofUnavailable
from verification.merkle import Entry, Step, check_path
from verification.models import Draw, EntriesIndex, Pick
from verification.services import paths as kept
from verification.services.paths import Prover, entries_tree

from .drawing import URL, advance_to, committed, crowd, tamper

State = Draw.State
INDEX = ("verification_entriesindex", "entries_index_is_fixed")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(kept, "BLOCK", 4)


def as_steps(path):
    return [Step(step["side"], step["sum"], bytes.fromhex(step["hash"])) for step in path]


def with_gaps(raffle, buyer, size):
    crowd(raffle, buyer, [1 + number % 5 for number in range(size)])
    for purchase in list(Purchase.objects.order_by("first_ticket"))[::3][1:]:
        request_refund(purchase.pk, reason="Changed their mind.")


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 9, 30])
def test_every_entry_s_path_is_that_of_the_tree(selling, alice, small_blocks, size):
    raffle = selling(capacity=1_000)
    with_gaps(raffle, alice, size)
    draw = committed(raffle)
    tree, prover = entries_tree(draw).result(), Prover(draw)
    assert len(draw.index.first_tickets) == -(-tree.count // 4) * 8
    for position in range(tree.count):
        entry, before = tree.entry(position), tree.tickets_before(position)
        proofs = [
            prover.of_ticket(entry.first_ticket),
            prover.of_index(before),
            prover.of_index(before + entry.count - 1),
        ]
        for proof in proofs:
            assert (proof.entry, proof.tickets_before) == (entry, before)
            assert as_steps(proof.path) == tree.path(position)


def test_what_was_read_is_hashed_while_the_rest_is_read(selling, alice, monkeypatch):
    raffle = selling()
    crowd(raffle, alice, [1, 2, 3])
    monkeypatch.setattr(entries, "BATCH", 2)
    hashed, leaves, read = threading.Event(), merkle._leaves, entries.records

    def seen(piece):
        hashed.set()
        return leaves(piece)

    def slowly(raffle_id):
        first, *rest = read(raffle_id)
        yield first
        assert hashed.wait(60), "nothing is hashed until all is read"
        yield from rest

    monkeypatch.setattr(merkle, "_leaves", seen)
    monkeypatch.setattr(kept, "records", slowly)
    assert entries_tree(raffle.draw).result().tickets == 6


def test_a_database_that_fails_meanwhile_leaves_no_thread_behind(selling, monkeypatch):
    def fails(raffle_id):
        yield Entry(UUID(int=1), 1, 1, bytes(32)).record
        raise OperationalError("gone")

    monkeypatch.setattr(kept, "records", fails)
    before = set(threading.enumerate())
    with pytest.raises(OperationalError, match="gone"):
        entries_tree(selling().draw)
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("size", [kept.BLOCK - 1, kept.BLOCK, kept.BLOCK + 1])
def test_the_first_and_last_entries_around_a_whole_block_are_proven(selling, alice, size):
    raffle = selling(capacity=10_000)
    crowd(raffle, alice, [1 + number % 5 for number in range(size)])
    draw = committed(raffle)
    tree, prover = entries_tree(draw).result(), Prover(draw)
    for position in {0, 1, kept.BLOCK - 2, kept.BLOCK - 1, size - 1} & set(range(size)):
        proof = prover.of_ticket(tree.entry(position).first_ticket)
        assert (proof.entry, as_steps(proof.path)) == (tree.entry(position), tree.path(position))


def test_a_path_costs_five_queries_however_many_entries_there_are(
    selling, alice, api, small_blocks, django_assert_num_queries
):
    for size in (2, 40):
        raffle = selling(capacity=1_000)
        crowd(raffle, alice, [2] * size)
        draw = committed(raffle)
        client, purchase = api(alice), Purchase.objects.filter(raffle=raffle).latest("first_ticket")
        with django_assert_num_queries(5):  # the session, the draw, the purchase, the index, the block
            proof = client.get(f"{URL}/{raffle.pk}/entries/{purchase.pk}").json()
        entry = Entry(UUID(proof["entry_id"]), proof["first_ticket"], proof["count"], bytes.fromhex(proof["holder"]))
        assert entry[:3] == (purchase.entry_id, purchase.first_ticket, 2)
        root = bytes.fromhex(draw.root)
        assert check_path(entry, as_steps(proof["path"]), root, draw.tickets) == proof["tickets_before"] == 2 * size - 2


def test_the_index_is_written_with_the_commitment_and_fixed(selling, alice):
    raffle = selling()
    crowd(raffle, alice, [3, 4])
    assert not EntriesIndex.objects.exists()
    draw = committed(raffle)
    assert bytes(draw.index.nodes[-32:]).hex() == draw.root
    for change in (lambda: EntriesIndex.objects.update(nodes=b""), EntriesIndex.objects.all().delete):
        with pytest.raises(IntegrityError, match="index of a draw is fixed"), transaction.atomic():
            change()


TAMPERED = {
    "another hash": "nodes = set_byte(nodes, 60, (get_byte(nodes, 60) + 1) % 256)",
    "another sum": "nodes = set_byte(nodes, 7, (get_byte(nodes, 7) + 1) % 256)",
    "nodes cut off": "nodes = substring(nodes FROM 1 FOR 40)",
    "no nodes": "nodes = ''",
    "no blocks": "first_tickets = ''",
    "a block too many": "first_tickets = first_tickets || '\\x00000000000000ff'",
    "blocks elsewhere": "first_tickets = set_byte(set_byte(first_tickets, 7, 3), 15, 5)",
    "blocks out of reach": "first_tickets = set_byte(first_tickets, 0, 255)",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_index_gives_no_path_and_is_told(selling, alice, api, small_blocks, caplog, change):
    raffle = selling()
    crowd(raffle, alice, [2] * 10)
    draw = committed(raffle)
    tamper(*INDEX, f"UPDATE verification_entriesindex SET {change}")
    refused = 0
    for purchase in Purchase.objects.order_by("first_ticket"):
        answer = api(alice).get(f"{URL}/{raffle.pk}/entries/{purchase.pk}")
        if answer.status_code == 200:
            proof = answer.json()
            entry = Entry(
                UUID(proof["entry_id"]), proof["first_ticket"], proof["count"], bytes.fromhex(proof["holder"])
            )
            check_path(entry, as_steps(proof["path"]), bytes.fromhex(draw.root), draw.tickets)
        else:
            assert (answer.status_code, answer.json()["code"]) == (503, "proof_unavailable")
            refused += 1
    assert refused
    assert caplog.text.count(f"draw {draw.sequence}: no path to its root: ") == refused


def test_a_purchase_that_was_changed_behind_the_triggers_gets_no_path(selling, alice, small_blocks):
    raffle = selling()
    crowd(raffle, alice, [2] * 10)
    draw = committed(raffle)
    changed, neighbour, far = (Purchase.objects.order_by("first_ticket")[place] for place in (0, 1, 9))
    fixed = ("purchases_purchase", "USER")
    tamper(*fixed, f"UPDATE purchases_purchase SET quantity = 1 WHERE id = '{changed.pk}'")
    for purchase in (changed, neighbour):
        with pytest.raises(ProofUnavailable):
            services.prove_entry(draw, purchase)
    assert services.prove_entry(draw, far)["tickets_before"] == 18


def test_a_draw_without_an_index_gives_no_path(selling, alice):
    raffle = selling()
    crowd(raffle, alice, [2])
    draw = committed(raffle)
    tamper(*INDEX, "DELETE FROM verification_entriesindex")
    with pytest.raises(ProofUnavailable):
        Prover(draw)


def test_a_draw_whose_index_was_tampered_with_is_not_decided(selling, alice, small_blocks):
    raffle = selling(prizes=[{"name": f"Prize {number}"} for number in range(20)])
    crowd(raffle, alice, [2] * 10)
    committed(raffle)
    tamper(*INDEX, f"UPDATE verification_entriesindex SET {TAMPERED['another hash']}")
    draw = services.advance_draw(raffle.pk)
    while "has not appeared" in draw.trouble:
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.seed) == (State.COMMITTED, "")
    assert draw.trouble == "the index of the entries does not lead to the committed root; an operator must look"


def test_the_paths_of_picks_are_those_of_the_tree(selling, alice, small_blocks):
    raffle = selling(prizes=[{"name": f"Prize {number}"} for number in range(15)], alternates=5, capacity=1_000)
    with_gaps(raffle, alice, 40)
    committed(raffle)
    draw = advance_to(raffle, State.DRAWN)
    tree = entries_tree(draw).result()
    assert Pick.objects.count() == 20
    for pick in Pick.objects.select_related("purchase"):
        position = tree.locate(pick.index)
        assert as_steps(pick.path) == tree.path(position)
        assert tree.entry(position).entry_id == pick.purchase.entry_id
        assert pick.ticket == tree.entry(position).first_ticket + pick.index - tree.tickets_before(position)


@pytest.mark.parametrize("batch", [1, 2, 3, 10, 11])
def test_batches_of_any_size_give_the_same_entries(selling, alice, client, monkeypatch, batch):
    raffle = selling()
    with_gaps(raffle, alice, 14)
    paid = list(Purchase.objects.filter(raffle=raffle).entries())
    monkeypatch.setattr(entries, "BATCH", batch)
    assert len(paid) == 10
    assert b"".join(entries.records(raffle.pk)) == b"".join(Entry(*row).record for row in paid)
    first = "".join(f"{entry_id},{first},{count},{holder.hex()}\n" for entry_id, first, count, holder in paid)
    pieces = list(entries.lines(raffle.pk))
    assert "".join(pieces) == "entry_id,first_ticket,count,holder\n" + first
    assert len(pieces) == 1 + -(-10 // batch)
    some = range(paid[3][1], paid[7][1])
    assert b"".join(entries.records(raffle.pk, some)) == b"".join(Entry(*row).record for row in paid[3:7])


@pytest.mark.django_db(transaction=True)
def test_who_takes_the_entries_slowly_holds_no_connection(selling, alice, monkeypatch):
    """As in a web process, whose connections are a pool's."""
    raffle = selling()
    crowd(raffle, alice, [1, 2, 3])
    monkeypatch.setattr(entries, "BATCH", 2)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    pieces = entries.lines(raffle.pk)
    for size in (1, 2, 1):
        assert len(next(pieces).splitlines()) == size
        assert connection.connection is None
    with transaction.atomic():
        assert len(list(entries.lines(raffle.pk))) == 3
        assert Purchase.objects.exists()
