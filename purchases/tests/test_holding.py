"""Holding: the same request once, nobody beyond their limit, nothing oversold, and few statements."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from luxewin.api.idempotency import KeyReused
from luxewin.api.problems import Busy
from purchases import errors, services
from purchases.models import Payment, PersonTally, Purchase
from purchases.services.hold_errors import MAX_AMOUNT, not_available
from purchases.tests.stage import HOLD_TICKETS, at_once, counts, hold, key, over, seated
from raffles.models import MAX_PRICE, Raffle, TicketCounter
from raffles.services import close_raffle

URL = "/api/v1/purchases/create"


def create(client, raffle, quantity, headers):
    return client.post(URL, {"raffle": str(raffle.pk), "quantity": quantity}, headers=headers)


def test_the_same_key_and_body_are_one_purchase(api, alice, on_sale, new_key):
    raffle, client, headers = on_sale(), api(alice), new_key()
    first, again = (create(client, raffle, 2, headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert counts(raffle) == (2, 0)


def test_the_same_key_with_another_body_is_refused(api, alice, on_sale, new_key):
    raffle, client, headers = on_sale(), api(alice), new_key()
    create(client, raffle, 2, headers)
    answer = create(client, raffle, 3, headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert counts(raffle) == (2, 0)


def test_the_same_key_of_two_people_is_two_purchases(api, alice, bob, on_sale, new_key):
    raffle, headers = on_sale(), new_key()
    mine, theirs = (create(api(user), raffle, 1, headers).json()["id"] for user in (alice, bob))
    assert mine != theirs


@pytest.mark.parametrize(
    ("quantity", "code"), [(0, "min_value"), (-1, "min_value"), (10**9, "max_value"), ("2", "invalid")]
)
def test_an_impossible_quantity_names_its_field_and_holds_nothing(api, alice, on_sale, new_key, quantity, code):
    raffle = on_sale()
    answer = create(api(alice), raffle, quantity, new_key())
    assert answer.status_code == 400
    assert [(fault["field"], fault["code"]) for fault in answer.json()["errors"]] == [("quantity", code)]
    assert counts(raffle) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_purchase_also_where_it_takes_the_whole_limit(alice, on_sale):
    raffle, click = on_sale(max_per_person=3), key("clicked")
    ask = {"buyer": alice, "raffle_id": raffle.pk, "quantity": 3, "key": click}
    held = at_once(*[lambda: services.hold_tickets(**ask)] * 8)
    assert len({each.purchase.pk for each in held}) == 1, held
    assert sum(each.payment is not None for each in held) == 1, held
    assert counts(raffle) == (3, 0)
    assert PersonTally.objects.get(user=alice).taken == 3


@pytest.mark.django_db(transaction=True)
def test_a_double_click_opens_one_payment(api, alice, on_sale, new_key):
    raffle, headers = on_sale(), new_key()
    clients = [api(alice), api(alice)]
    answers = at_once(*[lambda client=client: create(client, raffle, 2, headers) for client in clients])
    codes = sorted(answer.status_code for answer in answers)
    # The second is the first's answer, or is told to come back for it: never a second purchase.
    assert codes in ([201, 201], [201, 409])
    assert {answer.json().get("code") for answer in answers} <= {None, "request_in_flight"}
    again = create(clients[0], raffle, 2, headers).json()
    assert {answer.json()["id"] for answer in answers if answer.status_code == 201} == {again["id"]}
    assert again["client_secret"].startswith(Payment.objects.get().intent_id)
    assert counts(raffle) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_two_first_purchases_at_once_are_of_one_customer(api, alice, on_sale, new_key):
    raffle, clients = on_sale(), [api(alice), api(alice)]
    asks = [lambda client=client: create(client, raffle, 1, new_key()) for client in clients]
    answers = at_once(*asks)
    assert [answer.status_code for answer in answers] == [201, 201], [answer.json() for answer in answers]
    assert alice.djstripe_customers.count() == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_passes_their_limit_by_asking_at_once(alice, on_sale):
    raffle = on_sale(max_per_person=5)
    held = at_once(*[lambda: hold(alice, raffle, 2)] * 6)
    refused = [each for each in held if isinstance(each, errors.LimitReached)]
    assert (len(refused), counts(raffle)) == (4, (4, 0)), held
    assert {(each.data["limit"], each.data["taken"]) for each in refused} == {(5, 4)}
    assert isinstance(hold(alice, raffle, 1), Purchase)


@pytest.mark.django_db(transaction=True)
def test_sixteen_buyers_of_ten_tickets_get_exactly_ten(people, on_sale):
    raffle, buyers = on_sale(capacity=10), people(16)
    held = at_once(*[lambda buyer=buyer: hold(buyer, raffle) for buyer in buyers])
    assert sum(isinstance(each, Purchase) for each in held) == 10
    assert sum(isinstance(each, errors.SoldOut) and each.data == {"held": 10} for each in held) == 6, held
    assert (Purchase.objects.holding().count(), counts(raffle)) == (10, (10, 0))
    # Whoever was refused has their room under the limit back.
    assert PersonTally.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_a_raffle_that_closes_among_buyers_sells_nothing_after(people, on_sale):
    raffle, buyers = on_sale(capacity=10), people(8)
    for buyer in buyers[:4]:
        hold(buyer, raffle)
    TicketCounter.objects.filter(pk=raffle.pk).update(selling=False)
    refused = at_once(*[lambda buyer=buyer: hold(buyer, raffle) for buyer in buyers[4:]])
    assert all(isinstance(each, errors.RaffleClosed) for each in refused), refused
    assert counts(raffle) == (4, 0)


def test_more_than_is_left_says_how_many_are_left(alice, bob, on_sale):
    raffle = on_sale(capacity=10)
    hold(alice, raffle, 7)
    with pytest.raises(errors.NotEnoughLeft) as refusal:
        hold(bob, raffle, 4)
    assert (refusal.value.data, counts(raffle)) == ({"left": 3}, (7, 0))


def test_whoever_asks_just_before_the_sale_opens_is_told_to_ask_again(on_sale):
    """The raffle opened between the refusal and the search for its reason: there is room by now."""
    raffle = Raffle.objects.with_phase().select_related("counter").get(pk=on_sale(capacity=10).pk)
    assert isinstance(not_available(raffle, 10), Busy)
    assert isinstance(not_available(raffle, 11), errors.NotEnoughLeft)


def test_sold_out_tells_whether_some_may_come_free(alice, bob, on_sale):
    raffle = on_sale(capacity=5)
    seated(alice, raffle, 3)
    hold(alice, raffle, 2)
    with pytest.raises(errors.SoldOut) as refusal:
        hold(bob, raffle)
    assert refusal.value.data == {"held": 2}


def test_a_raffle_is_refused_by_its_phase(alice, draft, on_sale):
    with pytest.raises(errors.RaffleNotFound):
        hold(alice, draft())
    with pytest.raises(errors.RaffleNotOpen):
        hold(alice, on_sale(opens_at=timezone.now() + timedelta(hours=1)))
    late = on_sale()
    over(late)
    # Time decides, not the worker that closes it a moment later.
    assert late.closed_at is None
    with pytest.raises(errors.RaffleClosed):
        hold(alice, late)
    assert close_raffle(late.pk)
    with pytest.raises(errors.RaffleClosed):
        hold(alice, late)


def test_more_than_stripe_takes_in_one_payment_says_how_many_it_takes(alice, on_sale):
    raffle = on_sale(ticket_price=50_000_000, max_per_person=50)
    with pytest.raises(errors.AmountTooLarge) as refusal:
        hold(alice, raffle, 2)
    assert (refusal.value.data, counts(raffle)) == ({"most": 1}, (0, 0))
    assert hold(alice, raffle, 1).amount == 50_000_000 <= MAX_AMOUNT


def test_the_dearest_ticket_there_can_be_can_be_paid_in_one_payment(alice, on_sale):
    assert hold(alice, on_sale(ticket_price=MAX_PRICE), 1).amount == 99_999_999


@pytest.mark.django_db(transaction=True)
def test_a_hold_is_one_statement_and_one_transaction(alice, on_sale, django_assert_num_queries):
    raffle = on_sale()
    with django_assert_num_queries(1):
        hold(alice, raffle, 2)


def test_within_it_the_database_runs_at_most_nine_statements_and_locks_the_hot_row_last():
    body = HOLD_TICKETS.partition("BEGIN\n")[2]
    pieces = [re.sub(r"--.*|RETURN QUERY", "", piece).split() for piece in re.split(";|THEN", body)]
    statements = [
        " ".join(words) for words in pieces if words and words[0] in {"PERFORM", "SELECT", "INSERT", "UPDATE", "WITH"}
    ]
    # One is run for a repeat only, one for a wrong answer, two (and a sum) for those with a monthly limit; the last
    # gives back what is known by then. Where the raffle asks no question there are three fewer.
    assert len(statements) - 5 == 9, statements
    assert statements[-2].startswith("UPDATE raffles_ticketcounter")
    assert "FROM" not in statements[-1]


@pytest.mark.django_db(transaction=True)
def test_a_replayed_hold_takes_one_statement(alice, on_sale, django_assert_num_queries):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 2, "key": key("again")}
    first = services.hold_tickets(**ask)
    with django_assert_num_queries(1):
        again = services.hold_tickets(**ask)
    assert (again.purchase, again.payment) == (first.purchase, None)
    with pytest.raises(KeyReused):
        services.hold_tickets(**ask | {"key": key("again", b"x" * 32)})


@pytest.mark.django_db(transaction=True)
def test_a_locked_counter_is_a_clear_refusal_and_not_a_hang(alice, on_sale, weakened):
    raffle = on_sale()
    weakened("lock_timeout = '3s'", "lock_timeout = '100ms'")
    locked, done = threading.Event(), threading.Event()

    def keep_locked():
        with transaction.atomic():
            TicketCounter.objects.select_for_update().get(pk=raffle.pk)
            locked.set()
            done.wait(60)

    def ask():
        locked.wait(60)
        try:
            return hold(alice, raffle)
        finally:
            done.set()

    _, refusal = at_once(keep_locked, ask)
    assert isinstance(refusal, Busy)
    assert not Purchase.objects.exists()
    assert not PersonTally.objects.exists()
