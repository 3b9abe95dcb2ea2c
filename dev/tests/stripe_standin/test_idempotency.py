"""The Stripe stand-in answers each idempotency key once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import make_intent


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
