"""Parts room: the Stripe stand-in does what Stripe does, as Stripe's own library and a buyer's device see it."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from luxewin import parts

GOOD, DECLINED, WITHOUT_FUNDS, AUTHENTICATED = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000002500003155",
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with parts.running(tmp_path_factory.mktemp("stripe"), names=["stripe"]) as environment:
        yield environment


def connect(environment: dict[str, str]) -> stripe.StripeClient:
    addresses = {"api": environment["STRIPE_API_BASE"]}
    return stripe.StripeClient(environment["STRIPE_SECRET_KEY"], base_addresses=addresses, max_network_retries=0)


@pytest.fixture
def product(environment: dict[str, str]) -> stripe.StripeClient:
    return connect(environment)


@pytest.fixture
def device(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A buyer's browser or phone, which knows the publishable key only."""
    headers = {"Authorization": f"Bearer {environment['STRIPE_PUBLISHABLE_KEY']}"}
    with httpx.Client(base_url=environment["STRIPE_API_BASE"], headers=headers) as client:
        yield client


class Receiver:
    """A tiny webhook endpoint. It refuses the first `refusals` deliveries."""

    def __init__(self, refusals: int = 0) -> None:
        self.deliveries: list[tuple[bytes, str]] = []
        received, left = self.deliveries, [refusals]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                left[0] -= 1
                if left[0] < 0:
                    received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(200 if left[0] < 0 else 500)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, *kinds: str, seconds: float = 5) -> list[dict[str, Any]]:
        """The events once all kinds have come."""
        deadline = time.monotonic() + seconds
        while not set(kinds) <= {event["type"] for event in self.events()} and time.monotonic() < deadline:
            time.sleep(0.02)
        assert set(kinds) <= {event["type"] for event in self.events()}
        return self.events()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.deliveries]


@pytest.fixture
def receive(product: stripe.StripeClient) -> Iterator[Callable[..., tuple[Receiver, stripe.WebhookEndpoint]]]:
    """Open a receiver and register it."""
    opened = []

    def open_(events: list[str] | None = None, refusals: int = 0) -> tuple[Receiver, stripe.WebhookEndpoint]:
        receiver = Receiver(refusals)
        parameters = {"url": receiver.url, "enabled_events": events or ["*"], "api_version": stripe.api_version}
        opened.append((receiver, product.v1.webhook_endpoints.create(parameters)))
        return opened[-1]

    yield open_
    for receiver, endpoint in opened:
        product.v1.webhook_endpoints.delete(endpoint.id)
        receiver.server.shutdown()
        receiver.server.server_close()


def make_intent(product: stripe.StripeClient, **parameters: Any) -> stripe.PaymentIntent:
    defaults = {"amount": 5000, "currency": "eur", "automatic_payment_methods": {"enabled": True}}
    return product.v1.payment_intents.create({**defaults, **parameters})


def pay(device: httpx.Client, intent: stripe.PaymentIntent, number: str = GOOD) -> httpx.Response:
    """What Stripe's own clients do: a payment method from the card, then a confirmation with the intent's secret."""
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
    method = device.post("/v1/payment_methods", data={"type": "card", **card}).raise_for_status().json()["id"]
    data = {"payment_method": method, "client_secret": intent.client_secret}
    return device.post(f"/v1/payment_intents/{intent.id}/confirm", data=data)


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


def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(product: stripe.StripeClient) -> None:
    parameters = {"amount": 700, "currency": "eur"}
    options: Any = {"idempotency_key": "once"}
    first = product.v1.payment_intents.create(parameters, options)
    second = product.v1.payment_intents.create(parameters, options)
    assert first.id == second.id
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as refusal:
        product.v1.payment_intents.create({**parameters, "amount": 701}, options)
    assert refusal.value.http_status == 400


def test_a_decline_is_repeated_for_its_key(product: stripe.StripeClient) -> None:
    intent = make_intent(product)
    parameters: Any = {"payment_method": "pm_card_visa_chargeDeclined"}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            product.v1.payment_intents.confirm(intent.id, parameters, {"idempotency_key": "attempt-1"})
    events = [event for event in product.v1.events.list({"limit": 100}).data if event.type == "charge.failed"]
    assert len([event for event in events if event.data.object["payment_intent"] == intent.id]) == 1


def test_a_request_of_the_same_key_that_is_under_way_is_refused(
    product: stripe.StripeClient, environment: dict[str, str]
) -> None:
    fault = {"path": "^/v1/payment_intents$", "delay": 0.5}
    httpx.post(f"{environment['STRIPE_API_BASE']}/_config/faults", json=fault).raise_for_status()

    def create() -> str | int | None:
        try:
            return product.v1.payment_intents.create(
                {"amount": 900, "currency": "eur"}, {"idempotency_key": "at-the-same-time"}
            ).id
        except stripe.StripeError as error:
            return error.http_status

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(create) for _ in range(2)]
        found = sorted(str(answer.result()) for answer in answers)
    assert found[0] == "409"
    assert found[1] == create()


def test_an_answer_that_is_lost_is_found_again_by_its_key(
    product: stripe.StripeClient, environment: dict[str, str]
) -> None:
    fault = {"path": "^/v1/payment_intents$", "lose": True}
    httpx.post(f"{environment['STRIPE_API_BASE']}/_config/faults", json=fault).raise_for_status()
    parameters: Any = {"amount": 800, "currency": "eur", "metadata": {"purchase": "lost"}}
    with pytest.raises(stripe.APIConnectionError):
        product.v1.payment_intents.create(parameters, {"idempotency_key": "lost"})
    found = product.v1.payment_intents.create(parameters, {"idempotency_key": "lost"})
    everything = product.v1.payment_intents.list({"limit": 100}).data
    assert [intent.id for intent in everything if intent.metadata.to_dict().get("purchase") == "lost"] == [found.id]


def test_a_webhook_endpoint_shows_its_secret_once(product: stripe.StripeClient) -> None:
    endpoint = product.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/hook", "enabled_events": ["charge.refunded"], "metadata": {"djstripe_uuid": "u"}}
    )
    assert (endpoint.id[:3], endpoint.secret[:6], endpoint.status) == ("we_", "whsec_", "enabled")
    assert (endpoint.livemode, endpoint.enabled_events) == (False, ["charge.refunded"])
    (listed,) = [each for each in product.v1.webhook_endpoints.list().data if each.id == endpoint.id]
    assert "secret" not in listed
    assert listed.metadata["djstripe_uuid"] == "u"
    moved = product.v1.webhook_endpoints.update(endpoint.id, {"url": "http://127.0.0.1:9/new", "disabled": True})
    assert (moved.url, moved.status) == ("http://127.0.0.1:9/new", "disabled")
    assert product.v1.webhook_endpoints.delete(endpoint.id).deleted
    assert endpoint.id not in {each.id for each in product.v1.webhook_endpoints.list().data}


def test_every_step_of_a_payment_is_told_signed_and_soon(
    product: stripe.StripeClient, device: httpx.Client, receive: Callable[..., Any]
) -> None:
    receiver, endpoint = receive()
    intent = make_intent(product, metadata={"purchase": "p2"})
    pay(device, intent, DECLINED)
    began = time.monotonic()
    pay(device, intent)
    receiver.wait_for("payment_intent.succeeded")
    assert time.monotonic() - began < 2
    product.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "refund-p2"})
    product.v1.payment_intents.cancel(make_intent(product).id)
    kinds = {"payment_intent.created", "payment_intent.payment_failed", "payment_intent.succeeded", "charge.failed"}
    kinds |= {"charge.succeeded", "refund.created", "charge.refunded", "payment_intent.canceled"}
    events = {event["type"]: event for event in receiver.wait_for(*kinds)}
    for body, signature in receiver.deliveries:
        event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
        assert (event.object, event.livemode, event.api_version) == ("event", False, stripe.api_version)
    assert events["payment_intent.succeeded"]["data"]["object"]["metadata"] == {"purchase": "p2"}
    assert events["charge.refunded"]["data"]["object"]["amount_refunded"] == 5000
    assert events["refund.created"]["request"]["idempotency_key"] == "refund-p2"
    assert {"id", "created", "pending_webhooks", "request", "data"} <= set(events["charge.refunded"])
    told = product.v1.events.retrieve(events["charge.refunded"]["id"])
    assert told.type == "charge.refunded"


def test_a_wrong_secret_does_not_verify(product: stripe.StripeClient, receive: Callable[..., Any]) -> None:
    receiver, _ = receive(["payment_intent.created"])
    make_intent(product)
    receiver.wait_for("payment_intent.created")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*receiver.deliveries[0], "whsec_wrong")


def test_an_endpoint_gets_only_what_it_asked_for(product: stripe.StripeClient, receive: Callable[..., Any]) -> None:
    picky, _ = receive(["payment_intent.canceled"])
    everything, _ = receive()
    product.v1.payment_intents.cancel(make_intent(product).id)
    everything.wait_for("payment_intent.created", "payment_intent.canceled")
    assert {event["type"] for event in picky.wait_for("payment_intent.canceled")} == {"payment_intent.canceled"}


def test_a_refused_delivery_is_tried_again_with_a_valid_signature(
    product: stripe.StripeClient, receive: Callable[..., Any]
) -> None:
    receiver, endpoint = receive(["payment_intent.created"], refusals=2)
    intent = make_intent(product)
    (event,) = receiver.wait_for("payment_intent.created")
    assert event["data"]["object"]["id"] == intent.id
    assert stripe.Webhook.construct_event(*receiver.deliveries[0], endpoint.secret).id == event["id"]


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with parts.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        intent = product.v1.payment_intents.create(
            {"amount": 100, "currency": "eur"}, {"idempotency_key": "before the restart"}
        )
        product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
        endpoint = product.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    with parts.running(tmp_path, names=["stripe"]) as again:
        assert again["STRIPE_SECRET_KEY"] == environment["STRIPE_SECRET_KEY"]
        product = connect(again)
        assert product.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        repeated = product.v1.payment_intents.create(
            {"amount": 100, "currency": "eur"}, {"idempotency_key": "before the restart"}
        )
        assert repeated.id == intent.id
        assert product.v1.webhook_endpoints.retrieve(endpoint.id).url == "http://127.0.0.1:9/"
        assert product.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    assert (tmp_path / "stripe" / "store.pickle").stat().st_mode & 0o077 == 0
