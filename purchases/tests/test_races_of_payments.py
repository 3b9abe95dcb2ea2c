"""Races of settling: against expiry, against a refund, against itself; each first shown to break without its guard."""

from dataclasses import replace
from threading import Event
from uuid import uuid4

import pytest
import stripe

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from purchases import gateway, services, tasks
from purchases.models import Payment, Purchase, Refund
from purchases.services import settlement
from purchases.tests.books import check_books, check_money
from purchases.tests.stage import (
    DelayedCall,
    RaceBarrier,
    at_once,
    bought,
    buy,
    confirm,
    counts,
    deliver,
    hold,
    key,
    pay,
    told_of,
    unlogged,
)

pytestmark = pytest.mark.django_db(transaction=True)


def overdue(purchase):
    Purchase.objects.filter(pk=purchase.pk).update(expires_at="2020-01-01T00:00Z")
    return purchase


def state(purchase):
    return Purchase.objects.values_list("status", flat=True).get(pk=purchase.pk)


def at_stripe(purchase):
    return stripe.PaymentIntent.retrieve(purchase.payment.intent_id).status


# Against expiry: Stripe's answer to the cancellation decides, and nothing that was read before.


def looked_at_before(paid: Event, looked: Event):
    """An expiry that looks whether the money came, and then lets go."""

    def cancel(intent_id):
        said = gateway.retrieve_intent(intent_id)
        looked.set()
        paid.wait(60)
        return said if said.status == "succeeded" else replace(said, status="canceled")

    return cancel


def test_somebody_has_paid_and_has_nothing_where_expiry_only_looks_whether_they_paid(alice, on_sale, monkeypatch):
    purchase = overdue(buy(alice, on_sale()))
    secret, paid, looked = purchase.payment.client_secret, Event(), Event()
    monkeypatch.setattr(gateway, "cancel_intent", looked_at_before(paid, looked))

    def pay_meanwhile():
        looked.wait(60)
        pay(secret).raise_for_status()
        paid.set()

    at_once(lambda: services.expire_purchase(purchase.pk), pay_meanwhile)
    services.settle_purchase(purchase.pk)
    assert (state(purchase), at_stripe(purchase)) == ("expired", "succeeded")
    with pytest.raises(AssertionError, match="Stripe has 500 - 0, the books have 0 - 0"):
        check_money()


@pytest.mark.parametrize("attempt", range(4))
def test_paying_and_expiring_at_once_end_in_tickets_or_in_nothing_charged(alice, on_sale, attempt):
    raffle = on_sale()
    purchase = overdue(buy(alice, raffle, 2))
    secret = purchase.payment.client_secret
    at_once(
        lambda: pay(secret),
        *[lambda: services.expire_purchase(purchase.pk)] * 3,
        *[lambda: services.settle_purchase(purchase.pk)] * 3,
    )
    services.settle_purchase(purchase.pk)
    ends = {"succeeded": ("paid", (0, 2)), "canceled": ("expired", (0, 0))}
    assert (state(purchase), counts(raffle)) == ends[at_stripe(purchase)]
    check_books()
    check_money()


# Against another call under the same key: both are given the same intent.


def test_a_call_to_stripe_that_outlives_its_lease_leaves_the_intent_to_whoever_took_it_over(
    alice, on_sale, monkeypatch
):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key("stalled")}
    gateway.customer_of(alice)
    late = DelayedCall(monkeypatch, gateway, "create_intent", patience=60)  # as a process that stands still

    def take_over():
        Payment.objects.update(calling_since="2020-01-01T00:00Z")
        return services.purchase_tickets(**ask)

    stalled, taken_over = at_once(lambda: services.purchase_tickets(**ask), late.meanwhile(take_over))
    assert stalled.client_secret == taken_over.client_secret is not None
    assert at_stripe(stalled) == "requires_payment_method"
    pay(stalled.client_secret).raise_for_status()
    assert services.settle_purchase(stalled.pk).status == "paid"
    check_money()


# Against a look that began before: what Stripe said first may be heard last.


def test_a_look_from_before_the_debit_does_not_undo_one_from_after(alice, on_sale, own_stripe, monkeypatch):
    purchase = buy(alice, on_sale(currency="eur"))
    secret = purchase.payment.client_secret
    late = DelayedCall(monkeypatch, settlement, "apply_intent", patience=60)  # Stripe has said that nothing is paid

    def pay_by_debit():
        confirm(secret, "pm_sepaDebit_success_de").raise_for_status()
        return services.settle_purchase(purchase.pk).status

    looks = at_once(lambda: services.settle_purchase(purchase.pk).status, late.meanwhile(pay_by_debit))
    assert looks == ["processing", "processing"]
    assert Payment.objects.get().status == "processing"
    # Nobody is told that it failed.
    assert [each.kind for each in Notification.objects.mails()] == ["purchase_processing"]


# Against itself: the row of the payment says whether its money was taken in.


def test_numbers_are_given_twice_for_one_payment_without_the_locks(alice, bob, on_sale, monkeypatch, without_row_locks):
    raffle = on_sale()
    hold(bob, raffle, 5)  # or the constraint on `held` would stop it
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    monkeypatch.setattr(settlement, "_end_payments", RaceBarrier(2, patience=60).at(settlement._end_payments))
    with unlogged():
        at_once(*[lambda: services.settle_purchase(purchase.pk)] * 2)
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 2
    assert counts(raffle) == (3, 4)
    with pytest.raises(AssertionError, match="counts 3 held, its purchases have 5"):
        check_books()


def test_two_who_settle_the_same_payment_give_its_numbers_once(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    hold(bob, raffle, 5)
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    monkeypatch.setattr(settlement, "_end_payments", RaceBarrier(2).at(settlement._end_payments))
    settled = at_once(*[lambda: services.settle_purchase(purchase.pk)] * 2)
    assert [each.tickets for each in settled] == [{"first": 1, "last": 2, "count": 2}] * 2
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 1
    assert counts(raffle) == (5, 2)
    check_books()


def test_a_webhook_and_the_buyer_settle_once_and_one_mail_is_sent(api, alice, on_sale, run_tasks, endpoint):
    purchase = buy(alice, on_sale(), 2)
    pay(purchase.payment.client_secret).raise_for_status()
    client, intent = api(alice), purchase.payment.intent_id
    event = told_of(intent, "payment_intent.succeeded")

    def webhook_and_worker():
        status = deliver(endpoint, event)
        tasks.sync_object(intent)
        return status

    def verify():
        return client.post("/api/v1/purchases/verify", {"purchase": str(purchase.pk)}).json()["status"]

    assert at_once(webhook_and_worker, verify) == [200, "paid"]
    run_tasks()
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 1
    assert (
        Notification.objects.mails().filter(kind="purchase_paid").values_list("status", flat=True).get() == "accepted"
    )
    check_books()
    check_money()


# Against a refund: the purchase's row keeps a settling that began before from ending after it.


def refund_beside_a_late_settling(purchase, late):
    """A settling that has read the books writes once the same payment was settled and refunded by others."""

    def settle_and_refund():
        services.settle_purchase(purchase.pk)
        refund = services.request_refund(purchase.pk, reason="Changed her mind.")
        services.execute_refund(refund.pk)

    at_once(lambda: services.settle_purchase(purchase.pk), late.meanwhile(settle_and_refund))


def test_a_refunded_purchase_has_its_tickets_again_without_the_locks(
    alice, bob, on_sale, monkeypatch, without_row_locks
):
    raffle = on_sale()
    hold(bob, raffle, 5)
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    with unlogged():
        refund_beside_a_late_settling(purchase, DelayedCall(monkeypatch, settlement, "_end_payments", patience=60))
    # In the draw, with the money back.
    assert (state(purchase), Refund.objects.get().status) == ("paid", "succeeded")
    with pytest.raises(AssertionError, match="payments that were not returned"):
        check_books()


def test_settling_and_refunding_at_once_end_in_a_refund(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    hold(bob, raffle, 5)
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    refund_beside_a_late_settling(purchase, DelayedCall(monkeypatch, settlement, "_end_payments", patience=1))
    assert (state(purchase), Refund.objects.get().status) == ("refunded", "succeeded")
    assert counts(raffle) == (5, 2)
    check_books()


@pytest.mark.parametrize("attempt", range(3))
def test_staff_who_refund_while_the_payment_settles_refund_it_or_are_refused(alice, on_sale, attempt):
    purchase = buy(alice, on_sale(), 2)
    pay(purchase.payment.client_secret).raise_for_status()
    at_once(
        *[lambda: services.settle_purchase(purchase.pk)] * 3,
        *[lambda: services.request_refund(purchase.pk, reason="Asked for.")] * 3,
    )
    check_books()
    for refund in Refund.objects.all():
        services.execute_refund(refund.pk)
    assert state(purchase) == ("refunded" if Refund.objects.exists() else "paid")
    check_books()
    check_money()


# Two workers, one refund.


def asked_twice(monkeypatch):
    """Both have read that Stripe was not asked yet, and ask."""
    monkeypatch.setattr(gateway, "create_refund", RaceBarrier(2, patience=60).at(gateway.create_refund))


def test_two_workers_who_execute_one_refund_have_one_answer(alice, on_sale, monkeypatch):
    purchase = bought(alice, on_sale(), 2)
    refund = services.request_refund(purchase.pk, reason="Asked for.")
    asked_twice(monkeypatch)
    assert at_once(*[lambda: services.execute_refund(refund.pk)] * 2) == [None, None]
    refund.refresh_from_db()
    assert (refund.status, refund.error, state(purchase)) == ("succeeded", "", "refunded")
    assert len(stripe.Refund.list(payment_intent=purchase.payment.intent_id).data) == 1
    assert AuditEntry.objects.filter(action="purchase.refunded").count() == 1
    assert Notification.objects.mails().filter(kind="purchase_refunded").count() == 1
    check_books()
    check_money()


def test_two_workers_ask_for_two_refunds_where_each_asks_in_its_own_name(alice, on_sale, monkeypatch):
    purchase = bought(alice, on_sale(), 2)
    refund = services.request_refund(purchase.pk, reason="Asked for.")
    asked_twice(monkeypatch)
    monkeypatch.setattr(Refund, "idempotency_key", property(lambda _: uuid4().hex))
    # Half of it twice, or Stripe itself would refuse the second.
    Refund.objects.update(amount=purchase.amount // 2)
    at_once(*[lambda: services.execute_refund(refund.pk)] * 2)
    assert len(stripe.Refund.list(payment_intent=purchase.payment.intent_id).data) == 2
    with pytest.raises(AssertionError, match="Stripe has 1000 - 1000, the books have 1000 - 500"):
        check_money()
