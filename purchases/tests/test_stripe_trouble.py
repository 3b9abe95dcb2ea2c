"""Stripe away, or gone after it did what it was asked: nothing is lost, nothing happens twice."""

from threading import Event

import pytest
import stripe
from django.db import connection

from purchases import gateway, services
from purchases.errors import ProviderUnavailable
from purchases.gateway.curl import CurlClient
from purchases.models import Payment, Purchase
from purchases.tests.stage import at_once, bought, counts, key, pay

URL = "/api/v1/purchases/create"
CREATE = "^/v1/payment_intents$"


def intents_of(user):
    customer = user.djstripe_customers.get().id
    return stripe.PaymentIntent.list(customer=customer).data


def test_without_stripe_the_hold_stays_and_the_same_key_finishes_it(api, alice, on_sale, new_key, no_stripe, caplog):
    raffle, client, headers = on_sale(), api(alice), new_key()
    body = {"raffle": str(raffle.pk), "quantity": 2}
    closed = no_stripe()
    refused = client.post(URL, body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "payment_provider_unavailable")
    assert int(refused["Retry-After"]) > 0
    assert "Stripe does not answer" in caplog.text
    assert counts(raffle) == (2, 0)
    closed.undo()
    finished = client.post(URL, body, headers=headers)
    assert finished.status_code == 201
    assert pay(finished.json()["client_secret"]).status_code == 200
    assert Purchase.objects.count() == 1
    assert counts(raffle) == (2, 0)


def test_without_stripe_verifying_says_so_and_changes_nothing(api, alice, on_sale, new_key, no_stripe):
    raffle, client = on_sale(), api(alice)
    held = client.post(URL, {"raffle": str(raffle.pk), "quantity": 2}, headers=new_key()).json()
    pay(held["client_secret"]).raise_for_status()
    closed = no_stripe()
    answer = client.post("/api/v1/purchases/verify", {"purchase": held["id"]})
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")
    # What needs no Stripe goes on.
    assert client.get(f"/api/v1/purchases/{held['id']}").json()["status"] == "pending"
    closed.undo()
    assert client.post("/api/v1/purchases/verify", {"purchase": held["id"]}).json()["status"] == "paid"


def test_an_answer_lost_after_the_effect_is_asked_for_again_and_makes_one_intent(alice, on_sale, trouble):
    trouble(CREATE, lose=True)
    purchase = bought(alice, on_sale(), 2)
    assert purchase.tickets == {"first": 1, "last": 2, "count": 2}
    assert [each.id for each in intents_of(alice)] == [purchase.payment.intent_id]


def test_answers_lost_for_good_leave_one_intent_that_the_same_key_finds(alice, on_sale, trouble, monkeypatch):
    raffle = on_sale()
    ask = {"buyer": alice, "raffle_id": raffle.pk, "quantity": 2, "key": key("lost")}
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    trouble(CREATE, lose=True, times=2)  # the second is curl's own
    with pytest.raises(ProviderUnavailable):
        services.purchase_tickets(**ask)
    assert (Payment.objects.get().status, counts(raffle)) == ("started", (2, 0))
    made = intents_of(alice)
    purchase = services.purchase_tickets(**ask)
    assert [each.id for each in made] == [purchase.payment.intent_id] == [each.id for each in intents_of(alice)]
    assert pay(purchase.payment.client_secret).status_code == 200


def test_a_refund_whose_answer_is_lost_is_made_once(alice, on_sale, trouble, monkeypatch):
    purchase = bought(alice, on_sale())
    refund = services.request_refund(purchase.pk, reason="Lost.")
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    trouble("^/v1/refunds$", lose=True, times=2)  # the second is curl's own
    with pytest.raises(ProviderUnavailable):
        services.execute_refund(refund.pk)
    services.execute_refund(refund.pk)
    assert len(stripe.Refund.list(payment_intent=purchase.payment.intent_id).data) == 1
    assert Purchase.objects.get().status == "refunded"


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_runs_out_while_stripe_is_slow_leaves_no_intent_to_pay(alice, on_sale, trouble, monkeypatch):
    raffle = on_sale()
    ask = {"buyer": alice, "raffle_id": raffle.pk, "quantity": 2, "key": key("slow")}
    create, made, expired = gateway.create_intent, Event(), Event()

    def answer_late(*arguments):
        intent = create(*arguments)
        made.set()
        expired.wait(60)
        return intent

    monkeypatch.setattr(gateway, "create_intent", answer_late)

    def expire():
        made.wait(60)
        Purchase.objects.update(expires_at="2020-01-01T00:00Z")
        services.expire_purchase(Purchase.objects.get().pk)
        expired.set()

    purchase, _ = at_once(lambda: services.purchase_tickets(**ask), expire)
    assert (purchase.status, counts(raffle)) == ("expired", (0, 0))
    assert [each.status for each in intents_of(alice)] == ["canceled"]


def test_what_stripe_refuses_for_good_gives_the_tickets_back(api, alice, on_sale, new_key, trouble):
    raffle = on_sale()
    trouble("/v1/payment_intents", status=400)
    answer = api(alice).post(URL, {"raffle": str(raffle.pk), "quantity": 2}, headers=new_key())
    assert (answer.status_code, answer.json()["code"]) == (502, "payment_provider_refused")
    assert list(Purchase.objects.values_list("status", flat=True)) == ["expired"]
    assert counts(raffle) == (0, 0)


def test_a_customer_deleted_at_stripe_is_made_anew(api, alice, on_sale, new_key):
    raffle, client, headers = on_sale(), api(alice), new_key()
    gone = bought(alice, raffle).buyer.djstripe_customers.get()
    stripe.Customer.delete(gone.id)  # by hand, in Stripe's dashboard
    body = {"raffle": str(raffle.pk), "quantity": 2}
    first = client.post(URL, body, headers=headers)
    assert (first.status_code, first.json()["code"]) == (503, "payment_provider_unavailable")
    again = client.post(URL, body, headers=headers)
    assert again.status_code == 201
    pay(again.json()["client_secret"]).raise_for_status()
    assert services.settle_purchase(again.json()["id"]).status == "paid"
    assert [each.attempt for each in Payment.objects.filter(purchase=again.json()["id"])] == [1, 2]
    assert alice.djstripe_customers.get().id != gone.id
    assert counts(raffle) == (0, 3)


@pytest.mark.django_db(transaction=True)
def test_no_connection_of_the_pool_is_held_while_stripe_is_called_not_even_for_a_first_purchase(
    alice, on_sale, settings, monkeypatch
):
    raffle, held, real = on_sale(), [], CurlClient._curl
    monkeypatch.setattr(CurlClient, "_curl", lambda self: held.append(connection.connection is not None) or real(self))
    settings.DATABASE_POOL = True
    services.purchase_tickets(buyer=alice, raffle_id=raffle.pk, quantity=2, key=key("first"))
    # The customer, the intent.
    assert held == [False, False]


@pytest.mark.django_db(transaction=True)
def test_nor_while_a_payment_is_settled_or_its_hold_ended(alice, on_sale, settings, monkeypatch):
    raffle, held, real = on_sale(), [], CurlClient._curl
    paid, left = (services.purchase_tickets(buyer=alice, raffle_id=raffle.pk, quantity=1, key=key(k)) for k in "ab")
    pay(str(paid.client_secret)).raise_for_status()
    monkeypatch.setattr(CurlClient, "_curl", lambda self: held.append(connection.connection is not None) or real(self))
    settings.DATABASE_POOL = True
    assert services.settle_purchase(paid.pk).status == "paid"
    services.cancel_purchase(left.pk)
    assert held
    assert not any(held)
