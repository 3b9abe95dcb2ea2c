"""The Stripe stand-in's lists come newest first, by pages, between two moments."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from dev.tests.stripe_standin.stage import eventually, make_intent, paid

pytestmark = pytest.mark.usefixtures("module_api")


@pytest.fixture
def customer(product: stripe.StripeClient) -> str:
    return product.v1.customers.create({}).id


def test_pages_lead_through_everything_once(product: stripe.StripeClient, customer: str) -> None:
    made = [make_intent(product, customer=customer).id for _ in range(7)]
    first = stripe.PaymentIntent.list(customer=customer, limit=3)
    assert (len(first.data), first.has_more, first.url) == (3, True, "/v1/payment_intents")
    assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]
    assert not stripe.PaymentIntent.list(customer=customer, limit=7).has_more


def test_a_page_may_end_before_an_object(product: stripe.StripeClient, customer: str) -> None:
    made = [make_intent(product, customer=customer).id for _ in range(5)]
    page = stripe.PaymentIntent.list(customer=customer, limit=2, ending_before=made[1])
    assert ([intent.id for intent in page.data], page.has_more) == ([made[3], made[2]], True)
    assert [intent.id for intent in page.auto_paging_iter()] == [made[2], made[3], made[4]]


def test_what_was_created_between_two_moments_is_listed(product: stripe.StripeClient) -> None:
    early = paid(product)
    former = product.v1.refunds.create({"payment_intent": early.id})
    time.sleep(1.1)  # moments are whole seconds
    late = paid(product)
    refund = product.v1.refunds.create({"payment_intent": late.id})
    intents = stripe.PaymentIntent.list(created={"gte": late.created}).data
    assert [intent.id for intent in intents] == [late.id]
    assert early.id in {each.id for each in stripe.PaymentIntent.list(created={"lt": late.created}).data}
    assert stripe.PaymentIntent.list(created={"gt": early.created, "lte": late.created}).data == intents
    assert stripe.PaymentIntent.list(created=late.created).data == intents
    assert [each.id for each in stripe.Refund.list(created={"gt": former.created}).data] == [refund.id]
    assert [each.id for each in stripe.Charge.list(created={"gte": late.created}).data] == [refund.charge]
    events = stripe.Event.list(created={"gte": late.created}, limit=2)
    assert {event.data.object["object"] for event in events.auto_paging_iter()} == {
        *("payment_intent", "charge", "refund")
    }


def test_events_are_listed_by_type(product: stripe.StripeClient) -> None:
    intent = paid(product)
    product.v1.refunds.create({"payment_intent": intent.id})

    def kinds(**filters: Any) -> list[str]:
        events = stripe.Event.list(created={"gte": intent.created}, limit=100, **filters).data
        mine = [event for event in events if intent.id in str(event.data.object)]
        return [event.type for event in mine]

    assert kinds(type="payment_intent.succeeded") == ["payment_intent.succeeded"]
    assert kinds(type="charge.*") == ["charge.refunded", "charge.succeeded"]
    assert kinds(types=["refund.created", "payment_intent.succeeded"]) == ["refund.created", "payment_intent.succeeded"]


def test_events_are_listed_by_what_became_of_their_delivery(
    product: stripe.StripeClient, receive: Callable[..., Any], config: Callable[..., Any]
) -> None:
    receiver, _ = receive(["payment_intent.created"])
    config("event_faults", type="created", drop=True)
    dropped, delivered = make_intent(product), make_intent(product)
    receiver.wait_for("payment_intent.created")

    def missed() -> list[str]:
        events = stripe.Event.list(delivery_success=False, created={"gte": dropped.created}).data
        return [event.data.object["id"] for event in events]

    eventually(lambda: missed() == [dropped.id])
    assert delivered.id in {
        event.data.object["id"] for event in stripe.Event.list(delivery_success=True, limit=100).data
    }


def test_listed_objects_are_expanded(product: stripe.StripeClient) -> None:
    intent = paid(product)
    (listed,) = stripe.PaymentIntent.list(limit=1, expand=["data.latest_charge"]).data
    assert listed.latest_charge.payment_intent == intent.id


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"starting_after": "pi_x"},
        {"created": {"gte": "x"}},
        {"colour": 1},
    ],
    ids=str,
)
def test_a_list_that_makes_no_sense_is_refused(filters: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe.PaymentIntent.list(**filters)
