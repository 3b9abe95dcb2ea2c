"""The Stripe stand-in's customers stay known when they are deleted, and pay no more."""

import pytest
import stripe

from dev.tests.stripe_standin.stage import make_intent


@pytest.fixture
def customer(product: stripe.StripeClient) -> stripe.Customer:
    return product.v1.customers.create({"email": "alice@example.com", "metadata": {"user": "7"}})


def test_a_customer_is_shown_changed_and_found(product: stripe.StripeClient, customer: stripe.Customer) -> None:
    changed = product.v1.customers.update(customer.id, {"name": "Alice", "metadata": {"vip": "1"}})
    assert (changed.name, changed.metadata.to_dict()) == ("Alice", {"user": "7", "vip": "1"})
    shown = product.v1.customers.retrieve(customer.id, {"expand": ["default_source", "sources"]})
    assert (shown.balance, shown.sources.data, shown.default_source) == (0, [], None)
    listed = product.v1.customers.list({"email": "alice@example.com"}).data
    assert customer.id in {each.id for each in listed}


def test_a_deleted_customer_leaves_their_intents_alone(product: stripe.StripeClient, customer: stripe.Customer) -> None:
    intent = make_intent(product, customer=customer.id)
    assert product.v1.customers.delete(customer.id).deleted
    assert product.v1.payment_intents.retrieve(intent.id).customer == customer.id
    assert product.v1.payment_intents.retrieve(intent.id, {"expand": ["customer"]}).customer.deleted
    assert product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert product.v1.customers.retrieve(customer.id).deleted


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "unknown"])
def test_nothing_is_begun_for_a_customer_who_is_not_there(
    product: stripe.StripeClient, customer: stripe.Customer, deleted: bool
) -> None:
    if deleted:
        product.v1.customers.delete(customer.id)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        make_intent(product, customer=customer.id if deleted else "cus_nobody")
    assert (refusal.value.http_status, refusal.value.code, refusal.value.param) == (400, "resource_missing", "customer")
