"""The Stripe stand-in tells every step, signed, soon and again."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import DECLINED, eventually, make_intent, pay, told


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
    # localstripe waits a second for each; a busy machine takes its time.
    assert time.monotonic() - began < 15
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


CREATED = ["payment_intent.created"]
SETTLE_SECONDS = 1.0  # a delivery takes 0.2 s


def test_a_duplicated_event_comes_that_many_times_more(
    product: stripe.StripeClient, receive: Callable[..., Any], config: Callable[..., Any]
) -> None:
    receiver, _ = receive(CREATED)
    config("event_faults", type="^payment_intent.created$", duplicate=2)
    make_intent(product)
    eventually(lambda: len(receiver.deliveries) == 3)
    assert len({event["id"] for event in receiver.events()}) == 1


def test_a_dropped_event_is_listed_and_never_delivered(
    product: stripe.StripeClient, receive: Callable[..., Any], config: Callable[..., Any]
) -> None:
    receiver, _ = receive(CREATED)
    config("event_faults", type="created", drop=True)
    dropped, delivered = make_intent(product), make_intent(product)
    receiver.wait_for(*CREATED)
    time.sleep(SETTLE_SECONDS)
    assert [event["data"]["object"]["id"] for event in receiver.events()] == [delivered.id]
    assert told(product, dropped.id) == CREATED


def test_a_delayed_event_comes_later(
    product: stripe.StripeClient, receive: Callable[..., Any], config: Callable[..., Any]
) -> None:
    receiver, _ = receive(CREATED)
    config("event_faults", type="created", delay=4)
    late, soon = make_intent(product), make_intent(product)
    eventually(lambda: len(receiver.deliveries) == 2)
    assert [event["data"]["object"]["id"] for event in receiver.events()] == [soon.id, late.id]


def test_a_reordered_event_comes_after_the_next_one(
    product: stripe.StripeClient, receive: Callable[..., Any], config: Callable[..., Any]
) -> None:
    receiver, _ = receive([*CREATED, "payment_intent.canceled"])
    config("event_faults", type="^payment_intent.created$", reorder=True)
    intent = make_intent(product)
    time.sleep(SETTLE_SECONDS)
    assert receiver.deliveries == []
    product.v1.payment_intents.cancel(intent.id)
    eventually(lambda: len(receiver.deliveries) == 2)
    assert [event["type"] for event in receiver.events()] == ["payment_intent.canceled", "payment_intent.created"]
