"""Workers at the same moment: each nonce is allotted once, each step signed once. First shown to break unguarded."""

import time
from datetime import timedelta

import pytest
from django.db import IntegrityError

from purchases.tests.stage import at_once, seated
from verification import services
from verification.anchoring import contract_steps as anchoring_steps
from verification.anchoring import sending
from verification.chain_types import Fees
from verification.models import ChainStep, ChainTransaction, Draw
from verification.services import draw_steps

from .drawing import closed
from .mining import decided, stepped
from .on_chain import funded_chain

State = Draw.State


def nonces() -> list[int]:
    return list(ChainTransaction.objects.order_by("nonce").values_list("nonce", flat=True))


def sign_one(chain, call):
    return lambda: sending.store_signed(chain, lambda: [(call, [])])


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_share_no_nonce(anchored):
    call = anchored.call_of(anchored.operator, b"", 21_000, anchored.fees())
    stored = at_once(*[sign_one(anchored, call)] * 4)
    assert not [each for each in stored if isinstance(each, Exception)]
    first = nonces()[0]
    assert nonces() == [first, first + 1, first + 2, first + 3]


@pytest.mark.django_db(transaction=True)
def test_without_the_account_s_lock_they_would(anchored, without_row_locks):
    fees = anchored.fees()
    calls = [anchored.call_of(anchored.operator, b"", 21_000 + number, fees) for number in range(4)]
    for _ in range(10):
        stored = at_once(*[sign_one(anchored, call) for call in calls])
        collisions = [each for each in stored if isinstance(each, IntegrityError)]
        if collisions:
            break
    # Then the database has the last word.
    assert "chain_transaction_nonce_once" in str(collisions[0])
    assert len(set(nonces())) == len(nonces())


@pytest.mark.django_db(transaction=True)
def test_a_step_that_two_workers_sign_at_once_is_refused_by_the_database(anchored, selling):
    draw = selling().draw
    call = anchored.call_of(anchored.operator, b"", 21_000, anchored.fees())
    sending.store_signed(anchored, lambda: [(call, [(draw, "announce")])])
    (second,) = sending.store_signed(anchored, lambda: [(call, [])])
    with pytest.raises(IntegrityError, match="chain_step_once"):
        ChainStep.objects.create(draw=draw, step="announce", transaction=second)


@pytest.mark.django_db(transaction=True)
def test_two_workers_announce_everything_once(anchored, selling):
    raffles = [selling() for _ in range(4)]
    at_once(*[lambda: services.advance_draw(raffles[0].pk), lambda: services.advance_draw(raffles[3].pk)] * 2)
    signed = ChainStep.objects.order_by("transaction__nonce").values_list("draw", flat=True)
    assert list(signed) == [raffle.pk for raffle in raffles]
    assert len(nonces()) == 4


@pytest.fixture
def round_mates(mine, selling, people, monkeypatch):
    """Three draws of one round, decided, of which none is settled."""
    raffles = [selling() for _ in range(3)]
    for raffle, buyer in zip(raffles, people(3), strict=True):
        seated(buyer, raffle, 3)
    services.advance_draw(raffles[0].pk)
    mine.blocks()
    for raffle in raffles:
        services.advance_draw(raffle.pk)
        closed(raffle)
    mine.catch_up()
    for raffle in raffles:
        for _ in range(40):
            if services.advance_draw(raffle.pk).state == State.FROZEN:
                break
            time.sleep(0.1)
    mine.blocks()
    for raffle in raffles:
        stepped(raffle, draw_steps.commit, State.COMMITTED)
    assert len({draw.round for draw in Draw.objects.all()}) == 1
    for raffle in raffles[:2]:
        decided(raffle)
    monkeypatch.setattr(anchoring_steps, "GATHER", timedelta(hours=1))
    waiting = services.advance_draw(raffles[0].pk)
    assert waiting.trouble == "others of this round are being drawn; they are settled together"
    decided(raffles[2])
    return raffles


def test_draws_of_one_round_are_settled_in_one_transaction(mine, round_mates):
    services.advance_draw(round_mates[1].pk)
    mine.blocks()
    assert {services.advance_draw(raffle.pk).state for raffle in round_mates} == {State.SETTLED}
    assert len({each.transaction_id for each in ChainStep.objects.filter(step="settle")}) == 1


def test_one_of_them_that_somebody_settles_first_has_that_transaction(mine, round_mates):
    services.advance_draw(round_mates[0].pk)
    stranger, draw = funded_chain(), Draw.objects.select_related("contract").get(pk=round_mates[1].pk)
    signature = bytes.fromhex(draw.signature)
    call = stranger.prepare_settle(draw.contract.address, bytes.fromhex(draw.manifest_hash), signature=signature)
    dear = Fees(call.fees.most * 3, call.fees.most)
    call = stranger.call_of(call.transaction["to"], bytes.fromhex(call.transaction["data"][2:]), 400_000, dear)
    theirs = stranger.sign(call, 0)
    stranger.broadcast(theirs.raw)
    mine.blocks()
    for raffle in round_mates:
        mine.advance(raffle, State.SETTLED)
    settled = {each.draw_id: each.transaction.hash for each in ChainStep.objects.filter(step="settle", live=True)}
    assert settled.pop(draw.pk) == theirs.hash
    assert len(set(settled.values())) == 1
    assert theirs.hash not in settled.values()
