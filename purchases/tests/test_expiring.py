"""Expiry: a hold ends only when its money can no longer come; money that comes all the same is seated or sent back."""

from datetime import datetime, timedelta

import pytest
import stripe
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Notification
from luxewin.tasks.sweeps import enqueue_due
from purchases import services, tasks
from purchases.models import Payment, PersonTally, Purchase
from purchases.services.counters import lock_purchase
from purchases.services.holds import end_hold, release_hold
from purchases.tests.stage import at_once, buy, counts, hold, key, pay, seated
from raffles.services import cancel_raffle


def overdue(purchase):
    Purchase.objects.filter(pk=purchase.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def at_stripe(purchase):
    return stripe.PaymentIntent.retrieve(Payment.objects.get(purchase=purchase).intent_id)


def expired(purchase):
    """What a lost race may have left: the tickets are back in the sale, the intent is not cancelled."""
    with transaction.atomic():
        end_hold(lock_purchase(purchase.pk), Purchase.Status.EXPIRED)
    return purchase


def state(purchase):
    return Purchase.objects.values_list("status", flat=True).get(pk=purchase.pk)


def test_an_abandoned_hold_is_released_and_its_intent_cancelled(alice, on_sale, run_tasks):
    raffle = on_sale(max_per_person=4)
    purchase = buy(alice, raffle, 4)
    assert tasks.expire_overdue_purchases() == 0
    overdue(purchase)
    assert tasks.expire_overdue_purchases() == 1
    run_tasks()
    assert (state(purchase), counts(raffle)) == ("expired", (0, 0))
    assert at_stripe(purchase).status == "canceled"
    assert Payment.objects.get().status == "canceled"
    # The person may take as many again, at once.
    assert PersonTally.objects.get().taken == 0
    assert hold(alice, raffle, 4).status == "pending"


def test_a_hold_whose_time_is_not_over_is_not_touched(alice, on_sale):
    purchase = buy(alice, on_sale())
    services.expire_purchase(purchase.pk)
    assert state(purchase) == "pending"
    assert at_stripe(purchase).status == "requires_payment_method"


def test_a_hold_without_an_intent_is_released_without_asking_stripe(alice, on_sale, no_stripe):
    raffle = on_sale()
    purchase = hold(alice, raffle, 2)
    overdue(purchase)
    no_stripe()
    services.expire_purchase(purchase.pk)
    assert (state(purchase), counts(raffle)) == ("expired", (0, 0))


def test_a_hold_is_not_released_once_its_intent_is_known(alice, on_sale):
    purchase = buy(alice, on_sale())
    assert not release_hold(purchase.pk)
    assert state(purchase) == "pending"


def test_a_payment_whose_webhook_was_lost_is_settled_by_expiry(alice, on_sale, run_tasks):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    overdue(purchase)
    tasks.expire_overdue_purchases()
    run_tasks()
    assert (state(purchase), counts(raffle)) == ("paid", (0, 2))
    assert at_stripe(purchase).status == "succeeded"


def test_a_hold_that_stripe_does_not_answer_for_stays_until_it_does(alice, on_sale, no_stripe, caplog):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    overdue(purchase)
    closed = no_stripe()
    tasks.expire_purchase(str(purchase.pk))
    assert (state(purchase), counts(raffle)) == ("pending", (2, 0))
    assert f"the hold of purchase {purchase.pk} stays" in caplog.text
    closed.undo()
    tasks.expire_purchase(str(purchase.pk))
    assert (state(purchase), counts(raffle)) == ("expired", (0, 0))


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_enqueue_an_overdue_hold_once_and_again_after_the_lease(alice, on_sale):
    purchase = hold(alice, on_sale())
    overdue(purchase)
    OrmQ.objects.all().delete()
    assert sorted(at_once(*[tasks.expire_overdue_purchases] * 4)) == [0, 0, 0, 1]
    assert [queued.task["func"] for queued in OrmQ.objects.all()] == ["purchases.tasks.expire_purchase"]
    assert tasks.expire_overdue_purchases() == 0
    Purchase.objects.update(claimed_until=timezone.now() - timedelta(milliseconds=1))
    assert tasks.expire_overdue_purchases() == 1


def test_a_claim_is_as_long_as_its_lease(alice, on_sale):
    overdue(hold(alice, on_sale()))
    before = timezone.now()
    enqueue_due(Purchase.objects.overdue(), tasks.expire_purchase, lease=timedelta(seconds=60))
    claimed = Purchase.objects.get().claimed_until - before
    assert timedelta(seconds=60) <= claimed < timedelta(seconds=65)


@pytest.mark.django_db(transaction=True)
def test_expiry_and_settling_at_once_end_in_one_of_the_two(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    overdue(purchase)
    secret = purchase.payment.client_secret
    at_once(
        lambda: pay(secret),
        *[lambda: services.expire_purchase(purchase.pk)] * 3,
        *[lambda: services.settle_purchase(purchase.pk)] * 3,
    )
    services.settle_purchase(purchase.pk)
    ends = {"succeeded": ("paid", (0, 2)), "canceled": ("expired", (0, 0))}
    assert (state(purchase), counts(raffle)) == ends[at_stripe(purchase).status]


def test_late_money_gets_tickets_if_some_are_left(alice, on_sale, run_tasks):
    raffle = on_sale(max_per_person=4)
    purchase = expired(buy(alice, raffle, 4))
    pay(purchase.payment.client_secret).raise_for_status()
    for _ in range(2):
        assert services.settle_purchase(purchase.pk).tickets == {"first": 1, "last": 4, "count": 4}
    assert counts(raffle) == (0, 4)
    assert PersonTally.objects.get().taken == 4


@pytest.mark.parametrize("hurdle", ["sold out", "limit", "cancelled"])
def test_late_money_goes_back_if_it_cannot_be_seated(alice, bob, on_sale, run_tasks, hurdle):
    raffle = on_sale(capacity=8, max_per_person=6)
    purchase = expired(buy(alice, raffle, 3))
    if hurdle == "sold out":
        seated(bob, raffle, 6)
    elif hurdle == "limit":
        seated(alice, raffle, 4)
    else:
        cancel_raffle(raffle.pk, reason="The watch was stolen.")
    before = counts(raffle)
    pay(purchase.payment.client_secret).raise_for_status()
    assert services.settle_purchase(purchase.pk).status == "refunding"
    run_tasks()
    back = Purchase.objects.get(pk=purchase.pk)
    assert (back.status, back.tickets, back.payment.refund.status) == ("refunded", None, "succeeded")
    assert stripe.Refund.retrieve(back.payment.refund.stripe_id).amount == purchase.amount
    assert counts(raffle) == before
    assert Notification.objects.mails().get(user=alice, kind="purchase_refunded").status == "accepted"


def test_an_expired_purchase_is_not_paid_anew_under_its_old_key(alice, on_sale):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key("old")}
    purchase = services.purchase_tickets(**ask)
    overdue(purchase)
    services.expire_purchase(purchase.pk)
    again = services.purchase_tickets(**ask)
    assert (again.pk, again.status) == (purchase.pk, "expired")


def test_a_buyer_is_reminded_once_of_a_hold_that_ends_soon_and_is_not_paid(alice, bob, person, on_sale):
    raffle = on_sale()
    buyers = {"soon": alice, "short": bob} | {name: person(name) for name in ("late", "early", "paid")}
    held = {name: (seated if name == "paid" else hold)(buyer, raffle) for name, buyer in buyers.items()}
    now = timezone.now()
    for name, purchase in held.items():
        left = {"late": 3.5, "early": 9}.get(name, 4.5)
        began = now - timedelta(minutes=3 if name == "short" else 10)
        Purchase.objects.filter(pk=purchase.pk).update(expires_at=now + timedelta(minutes=left), created_at=began)
    tasks.remind_of_ending_holds()
    tasks.remind_of_ending_holds()
    told = Notification.objects.mails().get(kind="hold_ending")
    assert (told.user, told.context["raffle"]) == (alice, raffle.title)
    assert datetime.fromisoformat(told.context["until"]) == now + timedelta(minutes=4.5)
