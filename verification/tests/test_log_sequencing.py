"""Sequencing and heads: places without a gap, roots and proofs by blocks, and heads that keep their promise."""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F

from purchases import services as purchases
from purchases.tests.stage import seated
from verification import log, receipts, tasks
from verification.log import BLOCK, check_inclusion
from verification.models import Draw, Log, LogBlock, LogHead, LogLeaf
from verification.receipt_keys import signing_key
from verification.services import log as service
from verification.services.log import finish, prove_leaf, root_at, sequence, sign_head


def fill(raffle, count):
    """Write leaves as `count` settlements do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at)"
            " SELECT %s, gen_random_uuid(), 1, number, 1, sha256(int8send(number)), %s"
            " FROM generate_series(1, %s) AS number ORDER BY number",
            [raffle.pk, 1_790_000_000, count],
        )


def hashes(raffle):
    kept = LogLeaf.objects.filter(raffle=raffle.pk, index__isnull=False).order_by("index")
    return [each.leaf.hash for each in kept]


def test_leaves_get_their_places_in_batches_without_a_gap(on_sale, monkeypatch):
    raffle, other = on_sale(), on_sale()
    monkeypatch.setattr(service, "BATCH", 100)
    fill(raffle, 250)
    fill(other, 3)
    assert set(service.waiting_logs()) == {raffle.pk, other.pk}
    assert sequence(raffle.pk) == 250
    assert sequence(raffle.pk) == 0
    kept = LogLeaf.objects.filter(raffle=raffle.pk).order_by("id").values_list("index", flat=True)
    assert list(kept) == list(range(250))
    assert service.waiting_logs() == [other.pk]


def test_roots_and_proofs_at_any_size_are_those_of_the_leaves(on_sale, monkeypatch, django_assert_num_queries):
    raffle = on_sale()
    monkeypatch.setattr(service, "BATCH", 700)
    fill(raffle, 2 * BLOCK + 40)
    sequence(raffle.pk)
    every = hashes(raffle)
    assert LogBlock.objects.filter(log=raffle.pk).count() == 2
    for size in (0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, len(every)):
        assert root_at(raffle.pk, size) == log.root(every[:size])
        for index in {0, size // 2, size - 1, size // BLOCK * BLOCK} & set(range(size)):
            with django_assert_num_queries(4):
                found = prove_leaf(raffle.pk, leaf_hash=every[index], size=size)
            assert (found.index, found.size, found.head) == (index, size, None)
            check_inclusion(every[index], index, size, found.proof, log.root(every[:size]))
    for size in (0, BLOCK - 1, len(every) + 1):
        with pytest.raises(LookupError):
            prove_leaf(raffle.pk, leaf_hash=every[BLOCK], size=size)
    with pytest.raises(LookupError):
        prove_leaf(raffle.pk, leaf_hash=bytes(32))
    with pytest.raises(LookupError):
        root_at(raffle.pk, len(every) + 1)


def test_a_head_is_signed_by_the_key_that_the_draw_pins(alice, on_sale):
    raffle = on_sale()
    bought = seated(alice, raffle)
    head = sign_head(raffle.pk)
    draw = Draw.objects.get(pk=raffle.pk)
    assert draw.receipt_key == signing_key()
    facts = {"manifest_hash": bytes.fromhex(draw.manifest_hash), "size": 1, "root": hashes(raffle)[0], "at": head.at}
    assert head.at >= LogLeaf.objects.get().at
    receipts.check_head(bytes.fromhex(draw.receipt_key), bytes(head.signature), **facts)
    assert sign_head(raffle.pk) is None
    found = prove_leaf(raffle.pk, entry_id=bought.entry_id)
    assert (found.index, found.size, found.proof, found.head) == (0, 1, [], head)


def test_without_the_pinned_key_leaves_get_their_places_and_no_head_is_signed(alice, on_sale, settings, caplog):
    from accounts.signing_keys import new_key

    raffle = on_sale()
    seated(alice, raffle)
    old = settings.RECEIPT_KEYS
    for words in (new_key(), "", "nonsense"):
        settings.RECEIPT_KEYS = words
        tasks.grow_log(str(raffle.pk))
        assert (Log.objects.get().size, LogHead.objects.count()) == (1, 0)
    assert "receipt key" in caplog.text
    settings.RECEIPT_KEYS = old
    tasks.grow_log(str(raffle.pk))
    assert LogHead.objects.count() == 1


def test_the_sweep_takes_up_what_waits_and_signs_at_most_every_ten_seconds_and_once_at_the_end(alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle)
    assert tasks.grow_logs() == 1
    assert tasks.grow_logs() == 0  # claimed
    tasks.grow_log(str(raffle.pk))
    seated(bob, raffle)
    tasks.grow_log(str(raffle.pk))
    assert (Log.objects.get().size, LogHead.objects.count()) == (2, 1)
    assert tasks.grow_logs() == 0
    Log.objects.update(signed_at=F("signed_at") - timedelta(seconds=11))
    assert tasks.grow_logs() == 1
    tasks.grow_log(str(raffle.pk))
    assert [head.size for head in LogHead.objects.all()] == [2, 1]
    Log.objects.update(signed_at=F("signed_at") - timedelta(seconds=11))
    assert tasks.grow_logs() == 0


def test_no_head_is_signed_before_its_newest_leaf_or_head(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    seated(alice, raffle)
    at = LogLeaf.objects.get().at
    monkeypatch.setattr(service, "_clock", lambda: (at - 1, at - 1))
    assert sign_head(raffle.pk) is None
    monkeypatch.setattr(service, "_clock", lambda: (at + 100, at + 30))
    assert sign_head(raffle.pk).at == at + 30
    seated(bob, raffle)
    monkeypatch.setattr(service, "_clock", lambda: (at + 29, at + 29))
    assert sign_head(raffle.pk) is None


def test_finishing_gives_every_leaf_its_place_and_is_the_same_afterwards(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    monkeypatch.setattr(service, "BATCH", 2)
    first, second = seated(alice, raffle), seated(bob, raffle)
    purchases.request_refund(first.pk, reason="asked")
    size, root = finish(raffle.pk)
    every = hashes(raffle)
    assert (size, root) == (3, log.root(every))
    fill(raffle, 3)
    sequence(raffle.pk)
    assert finish(raffle.pk) == (size, root)
    assert prove_leaf(raffle.pk, entry_id=second.entry_id, size=3).index == 1


def test_an_empty_log_is_finished_with_the_root_of_nothing(on_sale):
    raffle = on_sale()
    assert finish(raffle.pk) == (0, sha256(b"").digest())


def test_a_proof_by_entry_is_of_the_leaf_that_entered_it(alice, on_sale):
    raffle = on_sale()
    bought = seated(alice, raffle)
    purchases.request_refund(bought.pk, reason="asked")
    sequence(raffle.pk)
    assert prove_leaf(raffle.pk, entry_id=bought.entry_id).index == 0
    with pytest.raises(LookupError):
        prove_leaf(raffle.pk, entry_id=UUID(int=0))
