"""Races of a raffle's end (cancelled, closed, frozen) against buying, settling and refunds, first without the guard."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from purchases import errors, services
from purchases.models import Purchase
from purchases.services import refunds, settlement
from purchases.services.counters import lock_purchase
from purchases.services.holds import end_hold
from purchases.tests.books import check_books, check_money
from purchases.tests.stage import DelayedCall, at_once, bought, buy, counts, hold, over, pay
from raffles.models import Raffle, TicketCounter
from raffles.services import cancel_raffle, close_raffle
from verification.models import Draw
from verification.services import advance_draw

pytestmark = pytest.mark.django_db(transaction=True)
PATIENT = {"patience": 60}

ON_SALE = """ AND selling AND held + sold + wanted <= capacity
      AND clock_timestamp() >= terms.opens_at AND clock_timestamp() < terms.closes_at;"""
NOT_ASKED = " AND held + sold + wanted <= capacity;"


def state(purchase):
    return Purchase.objects.values_list("status", flat=True).get(pk=purchase.pk)


def paid_for(buyer, raffle, quantity=1):
    purchase = buy(buyer, raffle, quantity)
    pay(purchase.payment.client_secret).raise_for_status()
    return purchase


def let_go(purchase):
    """Its hold is over, and its intent can still be paid, as a debit's that was under way."""
    with transaction.atomic():
        end_hold(lock_purchase(purchase.pk), Purchase.Status.EXPIRED)
    return purchase


# Cancelling against buying: the counter is what the last hold and the end of the sale meet at.


def end_with_refunds(raffle):
    cancel_raffle(raffle.pk, reason="Stolen.")
    services.refund_raffle(raffle.pk)


def test_somebody_holds_tickets_of_a_cancelled_raffle_where_the_counter_is_not_asked(alice, on_sale, weakened):
    raffle = on_sale()
    weakened(ON_SALE, NOT_ASKED)
    end_with_refunds(raffle)
    assert hold(alice, raffle).status == "pending"
    # Whoever looked for holds to let go has gone by.
    assert not Purchase.objects.overdue().exists()


def test_a_paid_purchase_stays_in_a_cancelled_raffle_without_the_locks(alice, on_sale, monkeypatch, without_row_locks):
    raffle = on_sale()
    purchase = paid_for(alice, raffle)
    late = DelayedCall(monkeypatch, settlement, "_issue_tickets", **PATIENT)
    at_once(lambda: services.settle_purchase(purchase.pk), late.meanwhile(lambda: end_with_refunds(raffle)))
    assert (state(purchase), Raffle.objects.get().status) == ("paid", "cancelled")


def test_a_payment_that_settles_while_its_raffle_is_cancelled_is_refunded(alice, on_sale, monkeypatch, run_tasks):
    raffle = on_sale()
    purchase = paid_for(alice, raffle)
    late = DelayedCall(monkeypatch, settlement, "_issue_tickets", patience=1)
    at_once(lambda: services.settle_purchase(purchase.pk), late.meanwhile(lambda: end_with_refunds(raffle)))
    assert state(purchase) == "refunding"
    run_tasks()
    assert state(purchase) == "refunded"
    check_books()
    check_money()


def test_whoever_buys_while_the_raffle_is_cancelled_is_refunded_or_never_charged(people, on_sale, run_tasks):
    raffle = on_sale()

    def buy_thrice(buyer):
        for _ in range(3):
            purchase = paid_for(buyer, raffle)
            services.settle_purchase(purchase.pk)

    def cancel():
        deadline = time.monotonic() + 60
        while not Purchase.objects.paid().exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        cancel_raffle(raffle.pk, reason="Stolen.")

    ended = at_once(*[lambda buyer=buyer: buy_thrice(buyer) for buyer in people(6)], cancel)
    assert all(each is None or isinstance(each, errors.RaffleClosed) for each in ended), ended
    run_tasks()
    assert set(Purchase.objects.values_list("status", flat=True)) <= {"refunded", "expired"}
    assert Purchase.objects.filter(status="refunded").exists()
    assert counts(raffle)[0] == 0
    check_books()
    check_money()


# Closing against holds and settling.


def test_somebody_holds_tickets_after_the_close_where_the_counter_and_the_clock_are_not_asked(alice, on_sale, weakened):
    raffle = on_sale()
    over(raffle)
    assert close_raffle(raffle.pk)
    with pytest.raises(errors.RaffleClosed):
        hold(alice, raffle)
    weakened(ON_SALE, NOT_ASKED)
    assert hold(alice, raffle).status == "pending"


def test_nothing_is_held_after_the_close_and_nothing_held_before_is_lost(people, on_sale):
    buyers = people(8)
    raffle = on_sale(capacity=10_000, closes_at=timezone.now() + timedelta(seconds=4))

    def hold_until_refused(buyer):
        held = 0
        while True:
            try:
                hold(buyer, raffle)
            except (errors.RaffleClosed, errors.LimitReached):
                return held
            held += 1

    def close():
        while not close_raffle(raffle.pk):
            time.sleep(0.005)
        return sum(counts(raffle))

    *held, at_close = at_once(*[lambda buyer=buyer: hold_until_refused(buyer) for buyer in buyers], close)
    assert sum(held) == at_close == counts(raffle)[0] > 0
    check_books()


def counted_without_asking(raffle_id, quantity):
    return TicketCounter.objects.filter(pk=raffle_id).update(held=F("held") + quantity) == 1


def settle_beside_the_close(purchase, raffle, late):
    def close():
        over(raffle)
        assert close_raffle(raffle.pk)

    at_once(lambda: services.settle_purchase(purchase.pk), late.meanwhile(close))


def test_late_money_is_seated_after_the_close_where_the_counter_is_not_asked(alice, on_sale, monkeypatch):
    raffle = on_sale()
    purchase = let_go(paid_for(alice, raffle))
    monkeypatch.setattr(settlement, "count_hold", counted_without_asking)
    settle_beside_the_close(purchase, raffle, DelayedCall(monkeypatch, settlement, "count_hold", **PATIENT))
    assert (state(purchase), counts(raffle)) == ("paid", (0, 1))


def test_late_money_that_settles_beside_the_close_goes_back(alice, on_sale, monkeypatch, run_tasks):
    raffle = on_sale()
    purchase = let_go(paid_for(alice, raffle))
    settle_beside_the_close(purchase, raffle, DelayedCall(monkeypatch, settlement, "count_hold", **PATIENT))
    assert (state(purchase), counts(raffle)) == ("refunding", (0, 0))
    run_tasks()
    assert state(purchase) == "refunded"
    check_books()
    check_money()


def test_what_was_held_before_the_close_settles_beside_it(people, on_sale):
    raffle = on_sale()
    purchases = [paid_for(buyer, raffle, 2) for buyer in people(5)]
    over(raffle)
    at_once(
        *[lambda pk=each.pk: services.settle_purchase(pk) for each in purchases],
        lambda: close_raffle(raffle.pk),
        lambda: advance_draw(raffle.pk),
    )
    assert counts(raffle) == (0, 10)
    assert advance_draw(raffle.pk).tickets == 10
    check_books()
    check_money()


# Freezing against refunds and settling: the raffle's row, and behind it a trigger.


@pytest.fixture
def closed_with_two(alice, bob, on_sale):
    raffle = on_sale()
    purchases = bought(alice, raffle, 2), bought(bob, raffle, 3)
    over(raffle)
    assert close_raffle(raffle.pk)
    return raffle, *purchases


@pytest.fixture
def without_the_trigger(transactional_db) -> Iterator[None]:
    """The database lets anybody leave a frozen draw, until the test is over."""
    change = "ALTER TABLE purchases_purchase {} TRIGGER frozen_entries_are_fixed"
    with connection.cursor() as cursor:
        cursor.execute(change.format("DISABLE"))
    yield
    with connection.cursor() as cursor:
        cursor.execute(change.format("ENABLE"))


def refund_beside_the_freeze(raffle, purchase, late):
    def ask():
        return services.request_refund(purchase.pk, reason="Changed her mind.")

    return at_once(ask, late.meanwhile(lambda: advance_draw(raffle.pk)))[0]


def test_somebody_leaves_a_frozen_draw_without_the_locks_and_the_trigger(
    closed_with_two, monkeypatch, without_row_locks, without_the_trigger
):
    raffle, leaving, _ = closed_with_two
    refund_beside_the_freeze(raffle, leaving, DelayedCall(monkeypatch, refunds, "open_refund", **PATIENT))
    assert (Draw.objects.get().tickets, state(leaving)) == (5, "refunding")


def test_without_the_locks_the_trigger_keeps_everybody_in_the_frozen_draw(
    closed_with_two, monkeypatch, without_row_locks
):
    raffle, leaving, _ = closed_with_two
    refused = refund_beside_the_freeze(raffle, leaving, DelayedCall(monkeypatch, refunds, "open_refund", **PATIENT))
    assert "frozen" in str(refused)
    assert (Draw.objects.get().tickets, state(leaving)) == (5, "paid")


def test_a_refund_that_began_before_the_freeze_is_not_in_the_draw(closed_with_two, monkeypatch, run_tasks):
    raffle, leaving, staying = closed_with_two
    refund_beside_the_freeze(raffle, leaving, DelayedCall(monkeypatch, refunds, "open_refund", patience=1))
    assert (state(leaving), state(staying)) == ("refunding", "paid")
    assert Draw.objects.get().tickets == 3
    services.execute_refund(leaving.payment.refund.pk)
    check_books()
    check_money()


@pytest.mark.parametrize("attempt", range(3))
def test_refunds_and_the_freeze_at_once_leave_a_draw_of_exactly_who_is_paid(closed_with_two, attempt):
    raffle, leaving, _ = closed_with_two
    at_once(
        *[lambda: services.request_refund(leaving.pk, reason="Changed her mind.")] * 3,
        *[lambda: advance_draw(raffle.pk)] * 2,
    )
    draw = advance_draw(raffle.pk)
    assert draw.tickets == Purchase.objects.paid().totals()["tickets"] == (5 if state(leaving) == "paid" else 3)
    check_books()


def test_no_draw_is_frozen_while_a_payment_settles(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    bought(bob, raffle, 3)
    purchase = paid_for(alice, raffle, 2)
    over(raffle)
    close_raffle(raffle.pk)
    late = DelayedCall(monkeypatch, settlement, "_issue_tickets", **PATIENT)
    at_once(lambda: services.settle_purchase(purchase.pk), late.meanwhile(lambda: advance_draw(raffle.pk)))
    assert Draw.objects.get().state == Draw.State.ANNOUNCED
    assert advance_draw(raffle.pk).tickets == 5
    check_books()
    check_money()
