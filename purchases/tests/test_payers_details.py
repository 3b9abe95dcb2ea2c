"""What Stripe says of a payer beside the money, name, address, evidence, is written down nowhere, by no way in."""

import json
from datetime import timedelta

import pytest
import stripe
from django.utils import timezone
from djstripe.models import Account, Charge, Customer, Dispute, Event, PaymentIntent, PaymentMethod, WebhookEventTrigger

from luxewin.tests.searching import tables_with
from purchases import gateway, services
from purchases.gateway.redaction import without_payers
from purchases.models import Purchase, StripeWatch, UnstoredEvent
from purchases.tests.stage import DECLINED, GOOD, buy, confirm, deliver, method, told_of

PAYER = {"billing_details[name]": "Zebulon Unmistakable", "billing_details[email]": "zeb@unmistakable.example"}
EVIDENCE = {"customer_name": "Zebulon Unmistakable", "uncategorized_text": "Unmistakable lives there."}


def _attempt(purchase: Purchase, number: str) -> None:
    """The payer types their name and address into Stripe's form beside the card."""
    confirm(purchase.payment.client_secret, method(number, **PAYER))


@pytest.fixture
def disputed(own_stripe, alice, on_sale, hear):
    """Declined, paid and disputed with evidence, all of it heard of; at Stripe the payer's name is everywhere."""
    purchase = buy(alice, on_sale())
    _attempt(purchase, DECLINED)
    hear()
    stripe.PaymentIntent.modify(purchase.payment.intent_id, receipt_email="zeb@unmistakable.example")
    _attempt(purchase, GOOD)
    hear()
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    hear()
    stripe.Dispute.modify(dispute["id"], evidence=EVIDENCE, submit=True)
    hear()
    purchase.refresh_from_db()
    return purchase


@pytest.mark.django_db(transaction=True)
def test_no_table_ever_holds_them_and_the_books_are_the_same(disputed, alice):
    said = str(stripe.Event.list(limit=100)) + str(stripe.PaymentIntent.retrieve(disputed.payment.intent_id))
    assert said.count("Unmistakable") > 3
    assert tables_with("nmistakable") == set()
    # Nor does dj-stripe's record of the customer have the address that ours has of them.
    assert {table for table in tables_with(alice.email) if table.startswith("djstripe")} == set()
    assert disputed.status == "paid"
    assert disputed.disputed_at
    assert Charge.objects.get(stripe_data__paid=True).stripe_data["amount"] == disputed.amount
    assert (PaymentMethod.objects.exists(), Dispute.objects.count()) == (True, 1)
    assert {"payment_intent.payment_failed", "payment_intent.succeeded", "charge.dispute.updated"} <= set(
        Event.objects.values_list("type", flat=True)
    )


@pytest.mark.django_db(transaction=True)
def test_a_later_record_brings_nothing_back(disputed):
    for each in PaymentIntent.objects.all():
        gateway.mirror_intent(each.id)
    for each in Dispute.objects.all():
        gateway.mirror_dispute(each.id)
    assert tables_with("nmistakable") == set()


@pytest.mark.django_db(transaction=True)
def test_nor_does_a_webhook_whether_it_can_be_taken_in_or_not(own_stripe, endpoint, alice, on_sale, monkeypatch):
    purchase = buy(alice, on_sale())
    _attempt(purchase, DECLINED)
    event = told_of(purchase.payment.intent_id, "payment_intent.payment_failed")
    assert "Unmistakable" in json.dumps(event)
    with monkeypatch.context() as broken:
        broken.setattr("purchases.receivers.enqueue", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deliver(endpoint, event)
    assert deliver(endpoint, event) == 200
    assert [each.processed for each in WebhookEventTrigger.objects.order_by("id")] == [False, True]
    assert Event.objects.get().data["object"]["id"] == purchase.payment.intent_id
    assert tables_with("nmistakable") == set()


@pytest.mark.django_db(transaction=True)
def test_nor_does_an_event_that_is_fetched_and_kept(own_stripe, hear, alice, on_sale, monkeypatch):
    purchase = buy(alice, on_sale())
    _attempt(purchase, DECLINED)
    monkeypatch.setattr("purchases.receivers.enqueue", lambda *arguments: 1 / 0)
    StripeWatch.objects.update(events_until=timezone.now() - timedelta(minutes=5))
    services.fetch_missed_events()
    assert UnstoredEvent.objects.get().type == "payment_intent.payment_failed"
    assert tables_with("nmistakable") == set()


def test_what_is_about_the_money_stays():
    said = {
        "id": "ch_1",
        "amount": 500,
        "metadata": {"payment": "1"},
        "billing_details": {"name": "Z"},
        "payment_method_details": {
            "card": {"last4": "4242", "wallet": {"link": {"email": "z@example.com"}}},
            "klarna": {"dob": {"year": 1990}},
            "ideal": {"bank": "ing", "verified_name": "Z"},
        },
        "refunds": [{"id": "re_1", "shipping": {"name": "Z"}}],
    }
    assert without_payers(said) == {
        "id": "ch_1",
        "amount": 500,
        "metadata": {"payment": "1"},
        "billing_details": None,
        "payment_method_details": {
            "card": {"last4": "4242", "wallet": {"link": {"email": None}}},
            "klarna": {"dob": None},
            "ideal": {"bank": "ing", "verified_name": None},
        },
        "refunds": [{"id": "re_1", "shipping": None}],
    }
    assert said["billing_details"] == {"name": "Z"}


@pytest.mark.django_db
def test_a_customers_record_keeps_the_id_alone_and_our_own_accounts_record_its_name(own_stripe):
    gateway.know_account()
    assert Account.objects.get().stripe_data == json.loads(str(stripe.Account.retrieve()))
    customer = Customer(id="cus_1", email="z@example.com", stripe_data={"name": "Z", "email": "z@example.com"})
    customer.save()
    customer.refresh_from_db()
    assert (customer.email, customer.stripe_data) == ("", {"name": None, "email": None})


def test_where_a_card_is_described_its_traces_are_left_out_at_any_depth():
    traces = {"fingerprint": "F", "exp_month": 1, "exp_year": 2030, "country": "GB"}
    said = {"last_payment_error": {"payment_method": {"card": {"brand": "visa", **traces}}}, "sepa_debit": traces}
    gone = dict.fromkeys(traces)
    assert without_payers(said) == {
        "last_payment_error": {"payment_method": {"card": {"brand": "visa", **gone}}},
        "sepa_debit": gone,
    }
