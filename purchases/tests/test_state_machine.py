"""Anything that people, banks, Stripe and sudden death can do, in any order: money = tickets after each step.

Every run of the tests plays the same examples; `LUXEWIN_EXAMPLES=2000` plays so many new ones.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from purchases import gateway
from purchases.tests.machine import Buying, World
from raffles.models import TicketCounter

EXAMPLES = int(os.environ.get("LUXEWIN_EXAMPLES", "0"))
USUAL = settings(
    max_examples=EXAMPLES or 12,
    stateful_step_count=20,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture
def play(person, on_sale, own_stripe, endpoint) -> Callable[..., None]:
    """Plays examples at a stand-in where debits take until the machine says so."""

    class Played(Buying):
        world = World(person, on_sale, endpoint)

    return lambda how=USUAL: run_state_machine_as_test(Played, settings=how)


def test_whatever_happens_the_books_are_right(play):
    play()


def keeps_held(raffle_id: Any, quantity: int) -> int:
    counter = TicketCounter.objects.get(pk=raffle_id)
    TicketCounter.objects.filter(pk=raffle_id).update(sold=counter.sold + quantity, held=counter.held)
    return counter.sold + 1


def believes_itself(intent_id: str) -> gateway.Intent:
    return replace(gateway.retrieve_intent(intent_id), status="canceled")


# A fault each, of a kind that has cost ticket shops money.
FAULTS = {
    "a sale does not release what was held": ("purchases.services.settlement.count_sale", keeps_held),
    "a payment is settled as often as somebody asks": ("purchases.services.settlement._end_payments", lambda *_: None),
    "a hold ends without Stripe's word": ("purchases.gateway.cancel_intent", believes_itself),
    "tickets that come free stay on the person's tally": ("purchases.services.holds.lower_tally", lambda _: None),
}
# It takes many steps to come there.
RARE = {
    "late money is seated whether or not there is room": (
        "purchases.services.settlement.count_hold",
        lambda raffle, quantity: TicketCounter.objects.filter(pk=raffle).update(held=quantity) == 1,
    ),
}


@pytest.mark.parametrize("fault", FAULTS | RARE if EXAMPLES else FAULTS)
def test_a_planted_fault_is_found(play, monkeypatch, fault):
    monkeypatch.setattr(*(FAULTS | RARE)[fault])
    with pytest.raises((AssertionError, IntegrityError, ExceptionGroup)):
        play(settings(USUAL, phases=[Phase.generate], max_examples=max(EXAMPLES, 60)))
