"""Races of holds: one person beyond their limit, and a double click, each first shown to break without its guard."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import stripe
from django.db import connection

from purchases import errors
from purchases.models import PersonTally, Purchase
from purchases.services.payments import CALL_LEASE
from purchases.tests.books import check_books, check_money
from purchases.tests.stage import at_once, counts, hold

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/purchases/create"
CLICKS = 16

# The limit as a condition of the statement that locks the tally; and counted, with the tally raised after.
CONDITIONAL = """
    ON CONFLICT (raffle_id, user_id) DO UPDATE SET taken = tally.taken + EXCLUDED.taken
    WHERE tally.taken + EXCLUDED.taken <= terms.max_per_person;"""
COUNTED_BEFORE = """
    AND (SELECT count(*) FROM purchases_purchase WHERE raffle_id = wanted_raffle AND buyer_id = wanted_buyer)
        < terms.max_per_person AND pg_sleep(4) IS NOT NULL
    ON CONFLICT (raffle_id, user_id) DO UPDATE SET taken = tally.taken + EXCLUDED.taken;"""


def test_somebody_passes_their_limit_where_it_is_looked_at_before_and_not_on_the_locked_row(alice, on_sale, weakened):
    raffle = on_sale(max_per_person=3)
    weakened(CONDITIONAL, COUNTED_BEFORE)
    at_once(*[lambda: hold(alice, raffle)] * CLICKS)
    assert Purchase.objects.holding().count() > 3


def test_nobody_passes_their_limit_by_asking_many_times_at_once(alice, bob, on_sale):
    raffle = on_sale(max_per_person=3)
    held = at_once(*[lambda: hold(alice, raffle), lambda: hold(bob, raffle, 2)] * (CLICKS // 2))
    assert sum(isinstance(each, Purchase) for each in held) == 3 + 1
    assert all(isinstance(each, Purchase | errors.LimitReached) for each in held), held
    assert dict(PersonTally.objects.values_list("user", "taken")) == {alice.pk: 3, bob.pk: 2}
    assert counts(raffle) == (5, 0)
    check_books()


@pytest.fixture
def click(api, alice, new_key) -> Callable[..., list]:
    """`click(raffle, [2, 2, 3])`: at one moment a request for each quantity, all of them under the same key."""
    headers = new_key()

    def send(raffle, quantities):
        clients = [api(alice) for _ in quantities]
        return at_once(
            *[
                lambda client=client, body={"raffle": str(raffle.pk), "quantity": quantity}: client.post(
                    URL, body, headers=headers
                )
                for client, quantity in zip(clients, quantities, strict=True)
            ]
        )

    return send


@pytest.fixture
def without_the_unique_key(weakened) -> Iterator[None]:
    """Nothing but the look for an earlier purchase keeps one key to one purchase, until the test is over."""
    constraint, after_the_look = "purchase_once_per_key", "IF person.repeats THEN"
    weakened(after_the_look, f"PERFORM pg_sleep(4); {after_the_look}")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE purchases_purchase DROP CONSTRAINT {constraint}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("UPDATE purchases_purchase SET idempotency_key = id::text")
        cursor.execute(f"ALTER TABLE purchases_purchase ADD CONSTRAINT {constraint} UNIQUE (buyer_id, idempotency_key)")


def intents_of(user):
    return list(stripe.PaymentIntent.list(customer=user.djstripe_customers.get().id, limit=100).auto_paging_iter())


def test_a_double_click_is_charged_twice_where_the_key_is_only_looked_for(
    alice, on_sale, click, without_the_unique_key
):
    click(on_sale(), [2] * 4)
    assert Purchase.objects.count() > 1
    assert len(intents_of(alice)) > 1


def test_sixteen_clicks_are_one_purchase_and_one_payment(alice, on_sale, click):
    raffle = on_sale()
    answers = click(raffle, [2] * CLICKS)
    purchase = Purchase.objects.get()
    for answer in answers:
        assert answer.status_code in {201, 409}, answer.json()
        if answer.status_code == 409:
            assert answer.json()["code"] == "request_in_flight"
            # The rest of the claim.
            assert 1 <= int(answer["Retry-After"]) <= CALL_LEASE.total_seconds()
        else:
            assert answer.json()["id"] == str(purchase.pk)
    first, *others = [each.json() for each in answers if each.status_code == 201]
    assert all(each == first for each in others)
    assert [each.id for each in intents_of(alice)] == [purchase.payment.intent_id]
    assert counts(raffle) == (2, 0)
    check_books()
    check_money()


def test_of_clicks_with_two_bodies_under_one_key_one_body_wins(on_sale, click):
    raffle = on_sale()
    answers = click(raffle, [2, 3] * (CLICKS // 2))
    won = Purchase.objects.get().quantity
    for answer, quantity in zip(answers, [2, 3] * (CLICKS // 2), strict=True):
        expected = {201, 409} if quantity == won else {422}
        assert answer.status_code in expected, answer.json()
    assert Counter(each.status_code for each in answers)[422] == CLICKS // 2
    assert counts(raffle) == (won, 0)
