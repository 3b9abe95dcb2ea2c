"""Several attempts to pay one purchase: lost ones are found again, and money that came twice goes back once."""

import pytest
import stripe

from luxewin.audit.models import AuditEntry
from purchases import services
from purchases.errors import ProviderFailed
from purchases.models import Payment, Purchase, Refund
from purchases.tests.stage import buy, counts, key, pay

pytestmark = pytest.mark.usefixtures("own_stripe")


def attempts(purchase):
    return list(purchase.payments.values_list("attempt", "status"))


def test_an_intent_whose_id_was_never_stored_is_found_by_its_news_and_settles(alice, on_sale, hear):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    secret, intent = purchase.payment.client_secret, purchase.payment.intent_id
    # Whoever made it died before the answer was stored.
    Payment.objects.update(status="started", intent_id=None, client_secret="")
    pay(secret).raise_for_status()
    hear()
    assert Purchase.objects.get().tickets == {"first": 1, "last": 2, "count": 2}
    assert (purchase.payment.intent_id, attempts(purchase)) == (intent, [(1, "succeeded")])


def test_an_intent_of_an_attempt_that_ended_is_cancelled_when_stripe_tells_of_it(alice, on_sale):
    purchase = buy(alice, on_sale())
    intent = purchase.payment.intent_id
    Payment.objects.update(status="failed", intent_id=None)
    services.settle_intent(intent)
    assert stripe.PaymentIntent.retrieve(intent).status == "canceled"
    assert attempts(purchase) == [(1, "failed")]


def twice_paid(buyer, raffle):
    """A purchase whose first attempt was lost and paid all the same, after the second had paid for the tickets."""
    ask = {"buyer": buyer, "raffle_id": raffle.pk, "quantity": 2, "key": key("twice")}
    purchase = services.purchase_tickets(**ask)
    first = purchase.payment
    Payment.objects.update(status="failed", intent_id=None)
    services.purchase_tickets(**ask)
    for payment in (purchase.payment, first):
        pay(payment.client_secret).raise_for_status()
    return purchase, first


def test_money_of_an_attempt_that_had_ended_is_taken_in_though_the_first_to_find_it_died(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    pay(purchase.payment.client_secret).raise_for_status()
    # The intent's id was noted, and then nothing more.
    Payment.objects.update(status="failed")
    services.settle_intent(purchase.payment.intent_id)
    assert (Payment.objects.get().status, counts(raffle)) == ("succeeded", (0, 2))


def test_money_that_came_twice_goes_back_once_and_the_tickets_stay(alice, on_sale, hear):
    raffle = on_sale()
    purchase, first = twice_paid(alice, raffle)
    services.settle_purchase(purchase.pk)
    hear()
    assert attempts(purchase) == [(1, "succeeded"), (2, "succeeded")]
    refund = Refund.objects.get()
    assert (refund.payment, refund.status, refund.reason) == (first, "succeeded", "The same tickets were paid twice.")
    purchase.refresh_from_db()
    assert (purchase.status, counts(raffle)) == ("paid", (0, 2))
    assert not list(services.faults_of_the_books())


def test_of_two_refunds_both_have_to_end_before_a_purchase_is_refunded(alice, on_sale, hear):
    purchase, first = twice_paid(alice, on_sale())
    services.settle_purchase(purchase.pk)
    services.settle_intent(first.intent_id)
    services.request_refund(purchase.pk, reason="Both, please.")
    twice, wanted = Refund.objects.order_by("payment__attempt")
    services.execute_refund(twice.pk)
    assert Purchase.objects.get().status == "refunding"
    services.execute_refund(wanted.pk)
    assert Purchase.objects.get().status == "refunded"
    assert AuditEntry.objects.filter(action="purchase.refunded").count() == 1


def test_after_an_intent_is_cancelled_by_hand_the_same_request_opens_another(alice, on_sale, hear):
    raffle = on_sale()
    ask = {"buyer": alice, "raffle_id": raffle.pk, "quantity": 2, "key": key("by hand")}
    purchase = services.purchase_tickets(**ask)
    stripe.PaymentIntent.cancel(purchase.payment.intent_id)
    hear()
    purchase.refresh_from_db()
    assert (purchase.status, attempts(purchase)) == ("pending", [(1, "canceled")])
    again = services.purchase_tickets(**ask)
    assert (again.pk, attempts(purchase)) == (purchase.pk, [(1, "canceled"), (2, "open")])
    pay(again.client_secret).raise_for_status()
    hear()
    assert (Purchase.objects.get().status, counts(raffle)) == ("paid", (0, 2))


def test_after_stripe_failed_for_good_under_a_key_the_same_request_uses_another(alice, on_sale, own_stripe):
    raffle = on_sale()
    ask = {"buyer": alice, "raffle_id": raffle.pk, "quantity": 2, "key": key("failed")}
    own_stripe("faults", path="^/v1/payment_intents$", status=500, keep=True, times=1)
    with pytest.raises(ProviderFailed):
        services.purchase_tickets(**ask)
    purchase = Purchase.objects.get()
    assert (purchase.status, attempts(purchase), counts(raffle)) == ("pending", [(1, "failed")], (2, 0))
    again = services.purchase_tickets(**ask)
    assert attempts(purchase) == [(1, "failed"), (2, "open")]
    pay(again.client_secret).raise_for_status()
    assert services.settle_purchase(purchase.pk).status == "paid"
    assert counts(raffle) == (0, 2)
