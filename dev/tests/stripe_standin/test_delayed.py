"""The Stripe stand-in's debits and refunds whose outcome comes later."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import eventually, make_intent, paid, told

SUCCEEDS, FAILS = "DE89370400440532013000", "DE62370400440532013001"
REFUND_PENDING, REFUND_FAILS = "pm_card_pendingRefund", "pm_card_refundFail"
ON_DEMAND = None


@pytest.fixture
def debit(product: stripe.StripeClient, device: httpx.Client) -> Callable[[str], stripe.PaymentIntent]:
    """A buyer's device confirms a debit of this account; the intent as the server sees it then."""

    def confirm(iban: str) -> stripe.PaymentIntent:
        intent = make_intent(product)
        person = {"billing_details[name]": "Alice", "billing_details[email]": "alice@example.com"}
        method = {"type": "sepa_debit", "sepa_debit[iban]": iban, **person}
        made = device.post("/v1/payment_methods", data=method).raise_for_status().json()
        data = {"payment_method": made["id"], "client_secret": intent.client_secret}
        mandate = {"mandate_data[customer_acceptance][type]": "online"}
        answer = device.post(f"/v1/payment_intents/{intent.id}/confirm", data=data | mandate)
        assert answer.raise_for_status().json()["status"] == "processing"
        return product.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})

    return confirm


def test_a_debit_is_processed_and_then_succeeds(
    product: stripe.StripeClient, config: Callable[..., Any], debit: Callable[[str], stripe.PaymentIntent]
) -> None:
    config("settings", processing_seconds=0.3)
    intent = debit(SUCCEEDS)
    assert (intent.status, intent.amount_received, intent.last_payment_error) == ("processing", 0, None)
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("pending", False)
    assert intent.latest_charge.payment_method_details.sepa_debit.last4 == SUCCEEDS[-4:]
    eventually(lambda: product.v1.payment_intents.retrieve(intent.id).status == "succeeded")
    assert product.v1.payment_intents.retrieve(intent.id).amount_received == 5000
    kinds = ["payment_intent.created", "payment_intent.processing", "payment_intent.succeeded"]
    assert told(product, intent.id) == kinds
    assert told(product, intent.latest_charge.id) == ["charge.pending", "charge.succeeded"]


def test_a_debit_may_fail_and_leaves_the_intent_open(
    product: stripe.StripeClient, config: Callable[..., Any], debit: Callable[[str], stripe.PaymentIntent]
) -> None:
    config("settings", processing_seconds=ON_DEMAND)
    intent = debit(FAILS)
    assert config(f"payment_intents/{intent.id}/finish")["status"] == "requires_payment_method"
    failed = product.v1.payment_intents.retrieve(intent.id)
    assert (failed.status, failed.payment_method, failed.amount_received) == ("requires_payment_method", None, 0)
    assert failed.last_payment_error.code == "generic_could_not_process"
    assert failed.last_payment_error.payment_method.type == "sepa_debit"
    assert told(product, intent.id)[-2:] == ["payment_intent.processing", "payment_intent.payment_failed"]
    again = product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (again.status, again.amount_received) == ("succeeded", 5000)


def test_a_debit_in_processing_can_be_neither_canceled_nor_paid_again(
    product: stripe.StripeClient, config: Callable[..., Any], debit: Callable[[str], stripe.PaymentIntent]
) -> None:
    config("settings", processing_seconds=ON_DEMAND)
    intent = debit(SUCCEEDS)
    for attempt in (
        lambda: product.v1.payment_intents.cancel(intent.id),
        lambda: product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
        lambda: product.v1.payment_intents.update(intent.id, {"amount": 100}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            attempt()
        assert (refusal.value.http_status, refusal.value.code) == (400, "payment_intent_unexpected_state")
    config(f"payment_intents/{intent.id}/finish")
    assert product.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_nothing_is_finished_twice(
    environment: dict[str, str], config: Callable[..., Any], debit: Callable[[str], stripe.PaymentIntent]
) -> None:
    config("settings", processing_seconds=ON_DEMAND)
    intent = debit(SUCCEEDS)
    config(f"payment_intents/{intent.id}/finish")
    url = f"{environment['STRIPE_API_BASE']}/_config/payment_intents/{intent.id}/finish"
    assert httpx.post(url).status_code == 400


def test_a_debit_asked_for_before_its_time_is_not_finished_again(
    product: stripe.StripeClient, config: Callable[..., Any], debit: Callable[[str], stripe.PaymentIntent]
) -> None:
    config("settings", processing_seconds=3)
    intent = debit(SUCCEEDS)
    config(f"payment_intents/{intent.id}/finish")
    time.sleep(3.5)
    assert told(product, intent.id).count("payment_intent.succeeded") == 1


def test_a_method_that_the_intent_does_not_allow_is_refused(product: stripe.StripeClient) -> None:
    intent = product.v1.payment_intents.create({"amount": 500, "currency": "eur", "payment_method_types": ["card"]})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_sepaDebit_success_de"})
    assert refusal.value.code == "payment_intent_incompatible_payment_method"


def test_a_refund_may_be_pending_and_succeeds_later(product: stripe.StripeClient, config: Callable[..., Any]) -> None:
    config("settings", processing_seconds=0.3)
    intent = paid(product, REFUND_PENDING)
    refund = product.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    eventually(lambda: product.v1.refunds.retrieve(refund.id).status == "succeeded")
    assert "pending_reason" not in product.v1.refunds.retrieve(refund.id)
    assert told(product, refund.id) == ["refund.created", "refund.updated", "charge.refund.updated"]
    assert product.v1.charges.retrieve(refund.charge).amount_refunded == 2000


def test_a_refund_may_fail_later_and_the_charge_has_its_money_again(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    config("settings", processing_seconds=ON_DEMAND)
    intent = paid(product, REFUND_FAILS)
    refund = product.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    assert product.v1.charges.retrieve(refund.charge).refunded
    failed = config(f"refunds/{refund.id}/finish")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    back = product.v1.balance_transactions.retrieve(failed["failure_balance_transaction"])
    assert (back.amount, back.type) == (5000, "refund_failure")
    charge = product.v1.charges.retrieve(refund.charge)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    kinds = ["refund.created", "refund.updated", "charge.refund.updated", "refund.failed"]
    assert told(product, refund.id) == kinds
    (updated,) = [
        event
        for event in product.v1.events.list({"type": "refund.updated", "limit": 1}).data
        if event.data.object["id"] == refund.id
    ]
    assert updated.data.previous_attributes["status"] == "succeeded"
    assert updated["request"]["id"] is None
    assert product.v1.refunds.create({"payment_intent": intent.id}).amount == 5000
