"""Races of what becomes of picks: each first without the draw's lock, then with it."""

import pytest
from django.db import IntegrityError

from luxewin.api.problems import Problem
from purchases.tests.stage import DelayedCall, RaceBarrier, at_once
from verification.errors import AlreadyClaimed, AlreadyForfeited
from verification.models import Award, Forfeit, Outcome, outcome_of
from verification.services import claim_award, forfeit_pick, outcomes

from .held import held, picks_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("after_claims")]
W, S = {"name": "A watch"}, {"name": "A strap"}


@pytest.fixture
def raffle(on_sale):
    return on_sale(prizes=[W, S], alternates=9)


def unclaimed(pick, actor):
    return lambda: forfeit_pick(pick.pk, kind=Forfeit.Kind.UNCLAIMED, reason="Nobody answered.", actor=actor)


def standing(raffle):
    return [outcome_of(pick) for pick in picks_of(raffle)]


def meet(monkeypatch, name):
    """Both staff have looked before either writes."""
    monkeypatch.setattr(outcomes, name, RaceBarrier(2).at(getattr(outcomes, name)))


# Two members of staff, one pick.


def test_without_the_lock_the_second_forfeit_of_a_pick_breaks(raffle, people, mona, monkeypatch, without_row_locks):
    pick = held(raffle, *people(3))[0]
    meet(monkeypatch, "held_prize")
    ended = at_once(*[unclaimed(pick, mona)] * 2)
    assert sorted(type(each).__name__ for each in ended) == ["Forfeit", "IntegrityError"]


def test_a_pick_that_two_forfeit_at_once_is_forfeited_once_and_the_other_is_told(raffle, people, mona, monkeypatch):
    pick = held(raffle, *people(4))[0]
    meet(monkeypatch, "held_prize")
    ended = at_once(*[unclaimed(pick, mona)] * 2)
    assert sorted(type(each).__name__ for each in ended) == ["AlreadyForfeited", "Forfeit"]
    assert standing(raffle) == [Outcome.UNCLAIMED, Outcome.WINNER, Outcome.STEPPED_UP, Outcome.ALTERNATE]


# Two winners, one alternate.


def test_without_the_lock_two_prizes_pass_to_one_alternate_and_a_forfeit_is_lost(
    raffle, people, mona, monkeypatch, without_row_locks
):
    picks = held(raffle, *people(4))
    meet(monkeypatch, "next_alternate")
    ended = at_once(*[unclaimed(pick, mona) for pick in picks[:2]])
    assert any(isinstance(each, IntegrityError) for each in ended), ended
    assert Forfeit.objects.count() == 1


def test_of_two_prizes_lost_at_once_one_passes_to_the_only_alternate(raffle, people, mona, monkeypatch):
    picks = held(raffle, *people(3))
    meet(monkeypatch, "next_alternate")
    ended = at_once(*[unclaimed(pick, mona) for pick in picks[:2]])
    assert all(isinstance(each, Forfeit) for each in ended), ended
    assert standing(raffle) == [Outcome.UNCLAIMED, Outcome.UNCLAIMED, Outcome.STEPPED_UP]
    assert Award.objects.filter(lost_at=None).count() == 1


def test_two_prizes_lost_at_once_pass_to_two_alternates(raffle, people, mona, monkeypatch):
    picks = held(raffle, *people(4))
    meet(monkeypatch, "next_alternate")
    at_once(*[unclaimed(pick, mona) for pick in picks[:2]])
    assert standing(raffle) == [Outcome.UNCLAIMED] * 2 + [Outcome.STEPPED_UP] * 2
    assert Award.objects.filter(lost_at=None).values("prize").distinct().count() == 2


# Handing the prize over against forfeiting it: whoever is first, the other hears of it.


def beside(monkeypatch, first, second, patience):
    """The first has looked and is about to write, when the second comes."""
    late = DelayedCall(monkeypatch, outcomes, "held_prize", patience=patience)
    return at_once(first, late.meanwhile(second))


ORDERS = {"a forfeit, then a claim": False, "a claim, then a forfeit": True}


def deeds(raffle, people, mona, order):
    pick = held(raffle, *people(3))[0]
    pair = [unclaimed(pick, mona), lambda: claim_award(pick.pk, actor=mona)]
    return reversed(pair) if ORDERS[order] else pair


@pytest.mark.parametrize("order", ORDERS)
def test_without_the_lock_one_of_a_forfeit_and_a_claim_breaks(
    order, raffle, people, mona, monkeypatch, without_row_locks
):
    first, second = beside(monkeypatch, *deeds(raffle, people, mona, order), patience=10)
    assert isinstance(first, IntegrityError), first
    assert isinstance(second, Forfeit | Award)


@pytest.mark.parametrize("order", ORDERS)
def test_of_a_forfeit_and_a_claim_at_once_the_later_is_refused(order, raffle, people, mona, monkeypatch):
    first, second = beside(monkeypatch, *deeds(raffle, people, mona, order), patience=1)
    assert isinstance(first, Forfeit | Award), first
    assert isinstance(second, Problem)
    assert type(second) is (AlreadyClaimed if isinstance(first, Award) else AlreadyForfeited)
    assert standing(raffle)[0] == (Outcome.CLAIMED if isinstance(first, Award) else Outcome.UNCLAIMED)
