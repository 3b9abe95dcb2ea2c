"""Leaves: written with what they say by whatever changes a purchase or a pick, and never changed."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from luxewin.clock import database_now
from purchases import services as purchases
from purchases.models import Purchase
from purchases.tests.stage import hold, seated
from purchases.tests.test_postal import enter
from raffles import services as raffles
from verification.log import Kind, Leaf, reason_hash
from verification.models import Forfeit, Log, LogBlock, LogHead, LogLeaf
from verification.services import claim_award, forfeit_pick
from verification.services.log import sequence, sign_head

from .held import held

pytestmark = pytest.mark.usefixtures("after_claims")


def leaves(raffle):
    return [each.leaf for each in LogLeaf.objects.filter(raffle=raffle.pk).order_by("id")]


def entered(purchase):
    purchase.refresh_from_db()
    first, count, holder = purchase.first_ticket, purchase.quantity, bytes(purchase.holder)
    return Leaf(Kind.ENTERED, purchase.entry_id, first, count, holder, int(purchase.paid_at.timestamp()))


def test_a_settlement_writes_the_leaf_that_its_receipt_promises(alice, on_sale):
    raffle = on_sale()
    bought = seated(alice, raffle, 3)
    assert leaves(raffle) == [entered(bought)]
    (kept,) = LogLeaf.objects.all()
    assert (bytes(kept.hash), kept.index) == (kept.leaf.hash, None)


def test_letters_are_entered_and_a_void_withdraws_one(alice, sam, on_sale):
    raffle = on_sale()
    purchase = enter(sam, raffle, alice, 2)
    before = entered(purchase)
    purchases.void_purchase(purchase.pk, reason="The letter was forged.", actor=sam)
    first, second = leaves(raffle)
    assert first == before
    assert second[:-1] == (Kind.WITHDRAWN, *before[1:-1])
    assert before.at <= second.at <= int(database_now().timestamp())


def test_a_refund_withdraws_and_a_cancelled_raffle_withdraws_all(alice, bob, on_sale):
    raffle = on_sale()
    first, second = seated(alice, raffle, 2), seated(bob, raffle)
    purchases.request_refund(first.pk, reason="asked")
    raffles.cancel_raffle(raffle.pk, reason="stolen")
    purchases.refund_raffle(raffle.pk)
    found = [(leaf.kind, leaf.entry_id) for leaf in leaves(raffle)]
    assert found == [(1, first.entry_id), (1, second.entry_id), (2, first.entry_id), (2, second.entry_id)]


def test_an_entry_written_without_a_time_is_paid_now(alice, on_sale):
    held = hold(alice, on_sale())
    Purchase.objects.filter(pk=held.pk).update(status="paid", first_ticket=1)
    assert leaves(held.raffle) == [entered(held)]


def test_a_deleted_entry_is_withdrawn(alice, on_sale):
    raffle = on_sale()
    bought = seated(alice, raffle)
    bought.payments.all().delete()
    bought.delete()
    assert [leaf.kind for leaf in leaves(raffle)] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 5},
        {"first_ticket": 50},
        {"holder": b"h" * 32},
        {"paid_at": timezone.now() + timedelta(days=1)},
        {"entry_id": "00000000-0000-4000-8000-000000000000"},
    ],
)
def test_what_the_log_has_of_a_purchase_is_fixed(alice, on_sale, change):
    bought = seated(alice, on_sale(), 1)
    with pytest.raises(IntegrityError, match="keeps what the log has"), transaction.atomic():
        Purchase.objects.filter(pk=bought.pk).update(**{"nonce": None} | change)


@pytest.mark.parametrize("status", ["refunding", "void", "review"])
def test_a_purchase_that_left_its_raffle_never_comes_back(alice, on_sale, status):
    bought = seated(alice, on_sale())
    Purchase.objects.filter(pk=bought.pk).update(status=status)
    with pytest.raises(IntegrityError, match="never comes back"), transaction.atomic():
        Purchase.objects.filter(pk=bought.pk).update(status="paid")
    Purchase.objects.filter(pk=bought.pk).update(status="refunded")
    assert [leaf.kind for leaf in leaves(bought.raffle)] == [1, 2]


def test_leaves_blocks_and_heads_are_never_changed_deleted_or_emptied(alice, on_sale):
    raffle = on_sale()
    seated(alice, raffle)
    sequence(raffle.pk)
    assert sign_head(raffle.pk)
    LogBlock.objects.create(log_id=raffle.pk, number=0, hash=b"h" * 32)
    wrong = [
        "UPDATE verification_logleaf SET a = a + 1",
        "UPDATE verification_logleaf SET index = index + 1",
        "UPDATE verification_logleaf SET index = NULL",
        "UPDATE verification_logleaf SET hash = x",
        "UPDATE verification_logleaf SET at = at + 1",
        "DELETE FROM verification_logleaf",
        "TRUNCATE verification_logleaf",
        "UPDATE verification_loghead SET at = at + 1",
        "DELETE FROM verification_loghead",
        "TRUNCATE verification_loghead",
        "UPDATE verification_logblock SET number = 1",
        "DELETE FROM verification_logblock",
        "TRUNCATE verification_logblock",
        "UPDATE verification_log SET size = size - 1",
        "UPDATE verification_log SET signed_size = 0",
        "DELETE FROM verification_log",
        "TRUNCATE verification_log CASCADE",
        (
            "INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at, index)"
            " SELECT raffle_id, gen_random_uuid(), 1, 2, 1, x, at, 1 FROM verification_logleaf"
        ),
        (
            "INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at)"
            " SELECT raffle_id, entry_id, 1, a, b, x, at FROM verification_logleaf"
        ),
        (
            "INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at)"
            " SELECT raffle_id, entry_id, 3, 1, 1, x, at FROM verification_logleaf"
        ),
        (
            "INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at)"
            " SELECT raffle_id, entry_id, 2, a, b, 'short', at FROM verification_logleaf"
        ),
    ]
    for statement in wrong:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert (Log.objects.get().size, LogLeaf.objects.count(), LogHead.objects.count()) == (1, 1, 1)


def test_heads_go_forward_in_size_and_time_and_cover_no_later_leaf(alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle)
    head = sign_head(raffle.pk)
    seated(bob, raffle)
    sequence(raffle.pk)
    newest = LogLeaf.objects.latest("index").at
    same = {"log_id": raffle.pk, "root": b"r" * 32, "signature": b"s" * 64}
    for size, at in ((1, head.at), (0, head.at), (2, head.at - 1), (2, newest - 1), (3, head.at + 10)):
        with pytest.raises(IntegrityError, match="heads go forward"), transaction.atomic():
            LogHead.objects.create(size=size, at=at, **same)
    LogHead.objects.create(size=2, at=newest, **same)


def test_outcomes_follow_after_the_draw_with_the_hash_of_their_reason(on_sale, people, mona):
    raffle = on_sale(prizes=[{"name": "A watch"}, {"name": "A strap"}], alternates=10)
    first, second, third = held(raffle, *people(3))
    forfeit_pick(third.pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Under age.", actor=mona)
    forfeit_pick(first.pk, kind=Forfeit.Kind.UNCLAIMED, reason="Never answered.", actor=mona)
    claim_award(second.pk, actor=mona)
    found = [each for each in leaves(raffle) if each.kind > Kind.WITHDRAWN]
    assert [each[:-1] for each in found] == [
        (3, third.purchase.entry_id, 3, 0, reason_hash("Under age.")),
        (3, first.purchase.entry_id, 1, 1, reason_hash("unclaimed")),
        (4, second.purchase.entry_id, 2, 2, bytes(32)),
    ]
