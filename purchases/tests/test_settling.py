"""From the hold to the numbers: paying at the stand-in, and settling from any side, any number of times."""

import hashlib
import hmac
import json
import time
from urllib.parse import urlsplit

import pytest
import stripe
from django_q.models import OrmQ
from djstripe.models import Charge, PaymentIntent, WebhookEndpoint, WebhookEventTrigger

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import HTTP
from purchases import gateway, services
from purchases.models import Purchase
from purchases.tests.stage import DECLINED, THREE_D_SECURE, at_once, authenticate, buy, counts, pay


def test_a_buyer_holds_pays_verifies_and_has_numbers(api, alice, on_sale, new_key, run_tasks):
    raffle, client = on_sale(ticket_price=700), api(alice)
    answer = client.post("/api/v1/purchases/create", {"raffle": str(raffle.pk), "quantity": 3}, headers=new_key())
    assert answer.status_code == 201, answer.json()
    held = answer.json()
    assert (held["status"], held["amount"], held["currency"], held["tickets"]) == ("pending", 2100, "gbp", None)
    assert counts(raffle) == (3, 0)
    assert pay(held["client_secret"]).json()["status"] == "succeeded"
    paid = client.post("/api/v1/purchases/verify", {"purchase": held["id"]}).json()
    assert (paid["status"], paid["tickets"]) == ("paid", {"first": 1, "last": 3, "count": 3})
    assert paid["client_secret"] is None
    assert counts(raffle) == (0, 3)
    run_tasks()
    assert Notification.objects.mails().filter(user=alice, kind="purchase_paid").count() == 1


@pytest.mark.django_db(transaction=True)
def test_settling_from_eight_sides_at_once_gives_numbers_once(alice, on_sale, run_tasks):
    raffle = on_sale()
    purchase = buy(alice, raffle, 4)
    pay(purchase.payment.client_secret).raise_for_status()
    settled = at_once(*[lambda: services.settle_purchase(purchase.pk)] * 8)
    assert [each.tickets for each in settled] == [{"first": 1, "last": 4, "count": 4}] * 8
    assert counts(raffle) == (0, 4)
    run_tasks()
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 1
    assert Notification.objects.mails().filter(kind="purchase_paid").count() == 1


def test_asking_before_paying_changes_nothing(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle)
    assert services.settle_purchase(purchase.pk).status == "pending"
    assert counts(raffle) == (1, 0)


def test_3d_secure_is_the_clients_to_go_through_and_the_hold_waits_for_it(api, alice, on_sale):
    raffle, client = on_sale(), api(alice)
    purchase = buy(alice, raffle, 2)
    asked = pay(purchase.client_secret, THREE_D_SECURE).json()
    assert (asked["status"], asked["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    # Whoever closed the page finds the secret again, with which Stripe.js shows the bank's page once more.
    found = client.post("/api/v1/purchases/verify", {"purchase": str(purchase.pk)}).json()
    assert (found["status"], found["client_secret"]) == ("pending", purchase.client_secret)
    assert counts(raffle) == (2, 0)
    authenticate(purchase.client_secret, success=False).raise_for_status()
    assert services.settle_purchase(purchase.pk).status == "pending"
    assert pay(purchase.client_secret, THREE_D_SECURE).json()["status"] == "requires_action"
    authenticate(purchase.client_secret).raise_for_status()
    assert services.settle_purchase(purchase.pk).tickets == {"first": 1, "last": 2, "count": 2}


def test_a_declined_card_leaves_the_hold_and_a_good_one_settles_it(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    declined = pay(purchase.payment.client_secret, DECLINED)
    assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
    assert services.settle_purchase(purchase.pk).status == "pending"
    assert counts(raffle) == (2, 0)
    pay(purchase.payment.client_secret).raise_for_status()
    assert services.settle_purchase(purchase.pk).tickets == {"first": 1, "last": 2, "count": 2}


def test_nobody_settles_or_sees_anothers_purchase(api, alice, bob, on_sale):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    answer = api(bob).post("/api/v1/purchases/verify", {"purchase": str(purchase.pk)})
    assert answer.status_code == 404
    assert Purchase.objects.get().status == "pending"


@pytest.mark.django_db(transaction=True)
def test_numbers_run_from_one_without_gap_or_overlap(people, on_sale):
    raffle, buyers = on_sale(), people(8)
    sizes = [1, 2, 3, 5, 1, 7, 4, 2]
    purchases = [buy(buyer, raffle, size) for buyer, size in zip(buyers, sizes, strict=True)]
    for purchase in purchases:
        pay(purchase.payment.client_secret).raise_for_status()
    settled = at_once(*[lambda pk=each.pk: services.settle_purchase(pk) for each in purchases])
    numbers = [number for each in settled for number in range(each.first_ticket, each.first_ticket + each.quantity)]
    assert sorted(numbers) == list(range(1, sum(sizes) + 1))
    assert [each.quantity for each in settled] == sizes
    assert counts(raffle) == (0, sum(sizes))


CHANGES = {
    "amount": ({"amount": 400}, "amount_received is 400, expected 500"),
    "currency": ({"currency": "usd"}, "currency is usd, expected gbp"),
    "customer": ({"customer": None}, "who is not the buyer"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_money_that_does_not_match_goes_to_review_with_its_evidence(alice, on_sale, changed):
    raffle = on_sale(ticket_price=500)
    purchase = buy(alice, raffle)
    change, fault = CHANGES[changed]
    if changed == "customer":
        change = {"customer": stripe.Customer.create(email="mallory@example.com").id}
    stripe.PaymentIntent.modify(purchase.payment.intent_id, **change)
    pay(purchase.payment.client_secret).raise_for_status()
    for _ in range(2):
        reviewed = services.settle_purchase(purchase.pk)
        assert (reviewed.status, reviewed.tickets) == ("review", None)
    assert fault in "; ".join(reviewed.review_evidence["faults"])
    assert reviewed.review_evidence["intent"]["id"] == purchase.payment.intent_id
    assert "client_secret" not in reviewed.review_evidence["intent"]
    assert counts(raffle) == (0, 0)
    assert not Notification.objects.mails().exists()
    assert AuditEntry.objects.filter(action="purchase.review").count() == 1


@pytest.fixture
def deliver(client):
    """Posts the newest event of this kind about an object as Stripe does, signed with our endpoint's secret."""
    endpoint = gateway.register_webhook("http://127.0.0.1:1")
    # The stand-in need not try to reach it.
    stripe.WebhookEndpoint.delete(endpoint.id)

    def post(kind, about, *, secret=""):
        listed = HTTP.get(f"{stripe.api_base}/v1/events?limit=100", auth=(stripe.api_key, "")).json()["data"]
        event = next(each for each in listed if each["type"] == kind and each["data"]["object"]["id"] == about)
        body, now = json.dumps(event | {"api_version": endpoint.api_version}), int(time.time())
        signed = hmac.new((secret or endpoint.secret).encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
        url = urlsplit(endpoint.url).path
        headers = {"Stripe-Signature": f"t={now},v1={signed}"}
        return client.post(url, body, content_type="application/json", headers=headers)

    return post


@pytest.mark.django_db
class TestWebhook:
    """The stand-in's own events at our address."""

    def test_a_signed_event_settles_the_purchase_once(self, deliver, alice, on_sale, run_tasks):
        raffle = on_sale()
        purchase = buy(alice, raffle, 2)
        pay(purchase.payment.client_secret).raise_for_status()
        run_tasks()
        for _ in range(2):
            assert deliver("payment_intent.succeeded", purchase.payment.intent_id).status_code == 200
        assert Purchase.objects.get().status == "pending"
        # One task although it was delivered twice.
        assert OrmQ.objects.count() == 1
        run_tasks()
        assert Purchase.objects.get().tickets == {"first": 1, "last": 2, "count": 2}
        mirrored = PaymentIntent.objects.get(id=purchase.payment.intent_id)
        assert (mirrored.stripe_data["status"], mirrored.customer.subscriber) == ("succeeded", alice)
        charge = Charge.objects.get(id=mirrored.stripe_data["latest_charge"])
        assert (charge.stripe_data["amount"], charge.stripe_data["paid"]) == (1000, True)

    def test_an_event_that_we_did_not_sign_for_does_nothing(self, deliver, alice, on_sale, run_tasks):
        purchase = buy(alice, on_sale())
        pay(purchase.payment.client_secret).raise_for_status()
        run_tasks()
        assert deliver("payment_intent.succeeded", purchase.payment.intent_id, secret="whsec_wrong").status_code == 400
        assert not OrmQ.objects.exists()

    def test_an_old_event_does_not_undo_a_newer_state(self, deliver, alice, on_sale, run_tasks):
        purchase = buy(alice, on_sale())
        pay(purchase.payment.client_secret, DECLINED)
        pay(purchase.payment.client_secret).raise_for_status()
        services.settle_purchase(purchase.pk)
        assert deliver("payment_intent.payment_failed", purchase.payment.intent_id).status_code == 200
        run_tasks()
        assert Purchase.objects.get().status == "paid"

    @pytest.mark.parametrize(
        "body", [b"5", b"null", b'{"id": "\\u0000"}', b"{", b"[" * 100_000, b"{}" + b" " * 300_000]
    )
    def test_what_is_no_event_is_refused_without_a_row(self, client, deliver, body):
        url = urlsplit(WebhookEndpoint.objects.get().url).path
        answer = client.post(url, body, content_type="application/json", headers={"Stripe-Signature": "t=1,v1=00"})
        assert answer.status_code in {400, 413}
        assert answer["Content-Type"] == "application/problem+json"
        assert not WebhookEventTrigger.objects.exists()
