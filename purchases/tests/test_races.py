"""A drop: 10,000 attempts by 64 threads on 1,000 tickets sell exactly 1,000, with the numbers 1 to 1,000 once each.

Every run of the tests does it once with 1,000 attempts on 100 tickets; `LUXEWIN_RACES=full` does it in full, ten times,
which takes about 25 minutes on two cores.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from accounts.models import User
from luxewin.api.problems import Busy, Problem, Unavailable
from luxewin.database import outage
from purchases import errors, gateway
from purchases.models import Payment, Purchase
from purchases.services import counters
from purchases.services.settlement import apply_intent
from purchases.tests.books import check_books
from purchases.tests.stage import RaceBarrier, at_once, counts, hold
from raffles.models import Raffle, TicketCounter

THREADS = 64
FULL = os.environ.get("LUXEWIN_RACES") == "full"
ATTEMPTS, TICKETS, RUNS = (10_000, 1_000, 10) if FULL else (1_000, 100, 1)


def settle(purchase: Purchase, customer: str) -> None:
    """What happens once Stripe says that it is paid; Stripe itself would be what takes the time here."""
    payment = purchase.payment
    intent_id = f"pi_{payment.pk.hex}"
    Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.OPEN, intent_id=intent_id)
    said = gateway.Intent(
        id=intent_id,
        status="succeeded",
        amount=purchase.amount,
        amount_received=purchase.amount,
        currency=purchase.currency,
        customer=customer,
        client_secret="",
        purchase=purchase.pk,
        payment=payment.pk,
    )
    payment.refresh_from_db()
    apply_intent(payment, said)


class Drop:
    """Attempts to buy one ticket each, taken up by whichever thread is free; people come back for more."""

    def __init__(self, raffle: Raffle, buyers: list[User], attempts: int) -> None:
        self.raffle = raffle
        self.customers = {buyer: gateway.customer_of(buyer) for buyer in buyers}
        self.answers: Counter[str] = Counter()
        self._attempts: Iterator[int] = iter(range(attempts))
        self._lock = threading.Lock()
        self._buyers = buyers

    def buy_until_nobody_comes(self) -> None:
        while (buyer := self._next()) is not None:
            answer = self._buy(buyer)
            with self._lock:
                self.answers[answer] += 1

    def _buy(self, buyer: User) -> str:
        """What comes of it: `sold`, or the code of the refusal."""
        try:
            purchase = hold(buyer, self.raffle)
        except Problem as refusal:
            return refusal.code
        except OperationalError as error:
            if outage(error) is None:
                raise
            return Unavailable.code
        while True:  # what Stripe said is heard again and again
            try:
                settle(purchase, self.customers[buyer])
            except Busy:
                continue
            except OperationalError as error:
                if outage(error) is None:
                    raise
            else:
                return "sold"

    def _next(self) -> User | None:
        with self._lock:
            number = next(self._attempts, None)
        return None if number is None else self._buyers[number % len(self._buyers)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", range(RUNS))
def test_a_drop_sells_every_ticket_once_and_not_one_more(people, on_sale, run):
    raffle = on_sale(capacity=TICKETS, max_per_person=TICKETS // 16)
    drop = Drop(raffle, people(THREADS), ATTEMPTS)
    failed = [each for each in at_once(*[drop.buy_until_nobody_comes] * THREADS) if each is not None]
    assert not failed
    assert drop.answers.pop("sold") == TICKETS
    assert drop.answers.total() == ATTEMPTS - TICKETS
    # Whoever waits for the counter too long is told to come again; on a slow machine some are.
    assert set(drop.answers) <= {each.code for each in (errors.SoldOut, errors.LimitReached, Busy, Unavailable)}
    firsts = Purchase.objects.paid().order_by("first_ticket").values_list("first_ticket", flat=True)
    assert list(firsts) == list(range(1, TICKETS + 1))
    assert counts(raffle) == (0, TICKETS)
    check_books()


# What counting would be without the conditional update: read, decide, write.
CONDITIONAL = "UPDATE raffles_ticketcounter SET held = held + wanted"
READ_THEN_WRITE = """
    SELECT held INTO total FROM raffles_ticketcounter WHERE raffle_id = wanted_raffle;
    PERFORM pg_sleep(4);
    UPDATE raffles_ticketcounter SET held = total + wanted"""


@pytest.mark.django_db(transaction=True)
def test_without_the_conditional_update_a_drop_sells_what_is_not_there(people, on_sale, weakened):
    raffle = on_sale(capacity=8)
    weakened(CONDITIONAL, READ_THEN_WRITE)
    at_once(*[lambda buyer=buyer: hold(buyer, raffle) for buyer in people(16)])
    assert Purchase.objects.holding().count() > 8
    with pytest.raises(AssertionError, match="its purchases have 16"):
        check_books()


def numbers_read_then_written(raffle_id, quantity):
    counter = TicketCounter.objects.get(pk=raffle_id)
    both_have_read.wait()
    TicketCounter.objects.filter(pk=raffle_id).update(held=counter.held - quantity, sold=counter.sold + quantity)
    return counter.sold + 1


both_have_read = RaceBarrier(2, patience=60)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("counting", ["in one statement", "read, then written"])
def test_two_winners_get_numbers_of_their_own_where_they_are_counted_in_one_statement(
    alice, bob, on_sale, monkeypatch, counting
):
    raffle = on_sale()
    sizes = {alice: 2, bob: 3}
    held = {buyer: hold(buyer, raffle, size) for buyer, size in sizes.items()}
    if counting == "read, then written":
        monkeypatch.setattr("purchases.services.settlement.count_sale", numbers_read_then_written)
    else:
        meeting = RaceBarrier(2, patience=60)
        monkeypatch.setattr("purchases.services.settlement.count_sale", meeting.at(counters.count_sale))
    customers = {buyer: gateway.customer_of(buyer) for buyer in held}
    at_once(*[lambda buyer=buyer: settle(held[buyer], customers[buyer]) for buyer in held])
    if counting == "in one statement":
        check_books()
        assert counts(raffle) == (0, 5)
    else:
        # The database refuses the second to have the first number of another: somebody paid and has nothing.
        assert Purchase.objects.paid().count() == 1
