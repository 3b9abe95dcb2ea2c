"""The Stripe stand-in makes trouble on demand."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import make_intent

INTENTS = "^/v1/payment_intents$"


def create(product: stripe.StripeClient, key: str) -> stripe.PaymentIntent:
    parameters: Any = {"amount": 800, "currency": "eur", "metadata": {"key": key}}
    return product.v1.payment_intents.create(parameters, {"idempotency_key": key})


def made(product: stripe.StripeClient, key: str) -> list[str]:
    """The ids of the intents that were made under this key."""
    everything = product.v1.payment_intents.list({"limit": 100}).data
    return [intent.id for intent in everything if intent.metadata.to_dict().get("key") == key]


def test_an_answer_that_is_lost_is_found_again_by_its_key(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    config("faults", path=INTENTS, lose=True)
    with pytest.raises(stripe.APIConnectionError):
        create(product, "lost")
    found = create(product, "lost")
    assert made(product, "lost") == [found.id]


def test_the_answer_to_a_repeat_is_lost_too(product: stripe.StripeClient, config: Callable[..., Any]) -> None:
    config("faults", path=INTENTS, lose=True, times=3)
    for _ in range(3):
        with pytest.raises(stripe.APIConnectionError):
            create(product, "lost thrice")
    assert made(product, "lost thrice") == [create(product, "lost thrice").id]


def test_a_status_before_the_effect_carries_nothing_out(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    config("faults", path=INTENTS, method="POST", status=503, times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIError) as refusal:
            create(product, "refused")
        assert refusal.value.http_status == 503
        assert made(product, "refused") == []
    found = create(product, "refused")
    assert made(product, "refused") == [found.id]


def test_a_status_after_the_effect_hides_the_true_answer_until_a_repeat(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    config("faults", path=INTENTS, method="POST", status=504, after=True, times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            create(product, "after")
        assert len(made(product, "after")) == 1
    assert made(product, "after") == [create(product, "after").id]


def test_a_status_that_is_kept_is_answered_to_every_repeat(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    config("faults", path=INTENTS, method="POST", status=500, after=True, keep=True)
    for _ in range(3):
        with pytest.raises(stripe.APIError) as refusal:
            create(product, "kept")
        assert refusal.value.http_status == 500
    assert len(made(product, "kept")) == 1


@pytest.mark.parametrize(("status", "error"), [(429, stripe.RateLimitError), (409, stripe.APIError)])
def test_an_ordered_status_has_the_form_of_stripes_errors(
    product: stripe.StripeClient, config: Callable[..., Any], status: int, error: type[stripe.StripeError]
) -> None:
    config("faults", path="^/v1/customers$", status=status)
    with pytest.raises(error):
        product.v1.customers.create({})


def test_a_fault_of_one_method_leaves_the_others_alone(
    product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    intent = make_intent(product)
    config("faults", path=f"^/v1/payment_intents/{intent.id}$", method="POST", status=500)
    assert product.v1.payment_intents.retrieve(intent.id).id == intent.id
    with pytest.raises(stripe.APIError):
        product.v1.payment_intents.update(intent.id, {"metadata": {"a": "b"}})


@pytest.mark.parametrize("orders", ["faults", "event_faults"])
def test_what_is_left_of_the_faults_is_shown_and_forgotten(
    environment: dict[str, str], config: Callable[..., Any], orders: str
) -> None:
    url = f"{environment['STRIPE_API_BASE']}/_config/{orders}"
    pattern = "path" if orders == "faults" else "type"
    config(orders, **{pattern: "never", "times": 2})
    (left,) = httpx.get(url).json()["data"]
    assert (left[pattern], left["times"]) == ("never", 2)
    httpx.delete(url).raise_for_status()
    assert httpx.get(url).json()["data"] == []


@pytest.mark.parametrize("fault", [{"path": "(", "lose": True}, {"lose": True}, {"path": "x", "looze": True}])
def test_a_fault_that_makes_no_sense_is_refused(environment: dict[str, str], fault: dict[str, Any]) -> None:
    assert httpx.post(f"{environment['STRIPE_API_BASE']}/_config/faults", json=fault).status_code == 400
