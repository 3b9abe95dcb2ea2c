"""The Stripe stand-in does what Stripe does, as Stripe's own library and a buyer's device see it."""

import re

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import AUTHENTICATED, DECLINED, WITHOUT_FUNDS, connect, make_intent, pay, told


def test_its_keys_have_the_form_of_stripes_test_keys(environment: dict[str, str]) -> None:
    assert re.fullmatch(r"(sk|rk)_test_[A-Za-z0-9]{24,}", environment["STRIPE_SECRET_KEY"])
    assert re.fullmatch(r"pk_test_[A-Za-z0-9]{24,}", environment["STRIPE_PUBLISHABLE_KEY"])


def test_another_secret_key_is_refused(environment: dict[str, str]) -> None:
    stranger = connect(environment | {"STRIPE_SECRET_KEY": "sk_test_000000000000000000000000"})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.customers.create({})


def test_the_account_is_shown(product: stripe.StripeClient) -> None:
    account = product.v1.accounts.retrieve_current()
    assert (account.id[:5], account.object, account.charges_enabled) == ("acct_", "account", True)
    assert product.v1.accounts.retrieve(account.id).id == account.id


def test_an_intent_is_made_for_a_customer(product: stripe.StripeClient) -> None:
    customer = product.v1.customers.create({"email": "alice@example.com", "metadata": {"user": "7"}})
    intent = make_intent(product, customer=customer.id, metadata={"purchase": "p1"}, description="10 tickets")
    assert (intent.amount, intent.currency, intent.amount_received) == (5000, "eur", 0)
    assert (intent.status, intent.customer, intent.latest_charge) == ("requires_payment_method", customer.id, None)
    assert intent.metadata["purchase"] == "p1"
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    expanded = product.v1.payment_intents.retrieve(intent.id, {"expand": ["customer"]})
    assert expanded.customer.email == "alice@example.com"
    assert [each.id for each in product.v1.payment_intents.list({"customer": customer.id}).data] == [intent.id]


def test_an_unknown_intent_and_an_unknown_parameter_are_refused(product: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        product.v1.payment_intents.retrieve("pi_nothing")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        make_intent(product, colour="gold")
    assert (refusal.value.code, refusal.value.param) == ("parameter_unknown", "colour")


def test_a_buyers_device_pays_with_the_publishable_key(product: stripe.StripeClient, device: httpx.Client) -> None:
    intent = make_intent(product)
    answer = pay(device, intent)
    assert answer.status_code == 200
    assert answer.json()["status"] == "succeeded"
    assert "metadata" not in answer.json()
    paid = product.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.balance_transaction"]})
    assert (paid.status, paid.amount_received) == ("succeeded", 5000)
    assert (paid.latest_charge.paid, paid.latest_charge.payment_intent) == (True, intent.id)
    assert paid.latest_charge.balance_transaction.amount == 5000
    assert product.v1.payment_intents.retrieve(intent.id).latest_charge == paid.latest_charge.id


def test_a_device_without_the_intents_secret_learns_and_does_nothing(
    product: stripe.StripeClient, device: httpx.Client
) -> None:
    intent = make_intent(product)
    stolen = {"client_secret": f"{intent.id}_secret_guess"}
    assert device.get(f"/v1/payment_intents/{intent.id}", params=stolen).status_code == 400
    assert device.get(f"/v1/payment_intents/{intent.id}").status_code == 400
    confirmation = {**stolen, "payment_method": "pm_card_visa"}
    assert device.post(f"/v1/payment_intents/{intent.id}/confirm", data=confirmation).status_code == 400
    secret = {"client_secret": intent.client_secret}
    assert device.get(f"/v1/payment_intents/{intent.id}", params=secret).json()["id"] == intent.id
    for path in ("/v1/payment_intents", "/v1/customers", f"/v1/payment_intents/{intent.id}/cancel", "/v1/refunds"):
        assert device.post(path, data={"amount": "1", "currency": "eur"}).status_code == 403
    assert product.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"


@pytest.mark.parametrize(("number", "reason"), [(DECLINED, "generic_decline"), (WITHOUT_FUNDS, "insufficient_funds")])
def test_a_declined_card_leaves_the_intent_open_for_a_good_one(
    product: stripe.StripeClient, device: httpx.Client, number: str, reason: str
) -> None:
    intent = make_intent(product)
    answer = pay(device, intent, number)
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", "card_declined", reason)
    declined = product.v1.payment_intents.retrieve(intent.id)
    assert (declined.status, declined.payment_method) == ("requires_payment_method", None)
    assert declined.last_payment_error.decline_code == reason
    assert pay(device, intent).json()["status"] == "succeeded"
    paid = product.v1.payment_intents.retrieve(intent.id)
    assert (paid.amount_received, paid.last_payment_error) == (5000, None)


def test_a_server_may_confirm_with_stripes_test_methods(product: stripe.StripeClient) -> None:
    intent = make_intent(product)
    with pytest.raises(stripe.CardError) as refusal:
        product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    assert refusal.value.code == "card_declined"
    assert product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_a_card_that_wants_authentication_waits_for_it(
    product: stripe.StripeClient, device: httpx.Client, environment: dict[str, str]
) -> None:
    intent = make_intent(product)
    assert pay(device, intent, AUTHENTICATED).json()["status"] == "requires_action"
    data = {"client_secret": intent.client_secret, "success": "true", "key": environment["STRIPE_PUBLISHABLE_KEY"]}
    device.post(f"/v1/payment_intents/{intent.id}/_authenticate", data=data).raise_for_status()
    assert product.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_person_may_fail_to_authenticate_and_pay_with_another_card(
    product: stripe.StripeClient, device: httpx.Client
) -> None:
    intent = make_intent(product)
    pay(device, intent, AUTHENTICATED)
    data = {"client_secret": intent.client_secret, "success": "false"}
    device.post(f"/v1/payment_intents/{intent.id}/_authenticate", data=data).raise_for_status()
    failed = product.v1.payment_intents.retrieve(intent.id)
    assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert told(product, intent.id)[-1] == "payment_intent.payment_failed"
    assert pay(device, intent).json()["status"] == "succeeded"


def test_a_canceled_intent_cannot_be_paid(product: stripe.StripeClient, device: httpx.Client) -> None:
    intent = make_intent(product)
    canceled = product.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert canceled.canceled_at
    answer = pay(device, intent)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "payment_intent_unexpected_state"
    assert answer.json()["error"]["payment_intent"]["status"] == "canceled"


def test_a_succeeded_intent_can_be_neither_canceled_nor_paid_again(
    product: stripe.StripeClient, device: httpx.Client
) -> None:
    intent = make_intent(product)
    pay(device, intent).raise_for_status()
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        product.v1.payment_intents.cancel(intent.id)
    assert (refusal.value.http_status, refusal.value.code) == (400, "payment_intent_unexpected_state")
    assert pay(device, intent).json()["error"]["code"] == "payment_intent_unexpected_state"
    assert product.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_refunds_add_up_to_the_charge_and_no_further(product: stripe.StripeClient, device: httpx.Client) -> None:
    intent = make_intent(product)
    with pytest.raises(stripe.InvalidRequestError):
        product.v1.refunds.create({"payment_intent": intent.id})
    pay(device, intent).raise_for_status()
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        product.v1.refunds.create({"payment_intent": intent.id, "amount": 5001})
    first = product.v1.refunds.create({"payment_intent": intent.id, "amount": 2000, "metadata": {"why": "late"}})
    second = product.v1.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer"})
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 2000, intent.id)
    assert second.amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        product.v1.refunds.create({"payment_intent": intent.id})
    assert refusal.value.code == "charge_already_refunded"
    charge = product.v1.charges.retrieve(first.charge)
    assert (charge.amount_refunded, charge.refunded) == (5000, True)
    listed = product.v1.refunds.list({"payment_intent": intent.id}).data
    assert [refund.id for refund in listed] == [second.id, first.id]
