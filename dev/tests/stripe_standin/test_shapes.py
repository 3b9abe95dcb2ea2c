"""The Stripe stand-in's objects have the fields that Stripe's own library knows of."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from dev.tests.stripe_standin.stage import paid

# Documented fields that Stripe shows only where there is something to show.
OCCASIONAL = {
    stripe.PaymentIntent: {
        "allowed_payment_method_types",
        "hooks",
        "managed_payments",
        "payment_details",
        "presentment_details",
    },
    stripe.Charge: {"authorization_code", "level3", "presentment_details", "refunds", "transfer"},
    stripe.Refund: {
        "customer",
        "customer_account",
        "description",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "next_action",
        "payment_method",
        "pending_reason",
        "presentment_details",
    },
    stripe.Dispute: set(),
    stripe.Dispute.Evidence: set(),
    stripe.Dispute.EvidenceDetails: set(),
    stripe.Event: {"account", "context"},
}
# Of Stripe's older versions; dj-stripe reads it.
OLDER = {stripe.Charge: {"dispute"}}


def documented(kind: type) -> set[str]:
    """The fields that are always there, by the library's annotations."""
    return set(kind.__annotations__) - {"OBJECT_NAME"} - OCCASIONAL[kind]


def check(kind: type, shown: Any) -> None:
    assert set(shown.to_dict()) - OLDER.get(kind, set()) == documented(kind)


@pytest.fixture
def refund(product: stripe.StripeClient) -> stripe.Refund:
    return product.v1.refunds.create({"payment_intent": paid(product).id, "amount": 100})


def test_intent_charge_and_refund(product: stripe.StripeClient, refund: stripe.Refund) -> None:
    check(stripe.PaymentIntent, product.v1.payment_intents.retrieve(str(refund.payment_intent)))
    check(stripe.Charge, product.v1.charges.retrieve(str(refund.charge)))
    check(stripe.Refund, refund)


def test_dispute(product: stripe.StripeClient, refund: stripe.Refund, config: Callable[..., Any]) -> None:
    dispute = product.v1.disputes.retrieve(config("disputes", payment_intent=refund.payment_intent)["id"])
    assert dispute.amount == 4900
    check(stripe.Dispute, dispute)
    check(stripe.Dispute.Evidence, dispute.evidence)
    check(stripe.Dispute.EvidenceDetails, dispute.evidence_details)


def test_event_shows_the_object_as_its_own_address_does(product: stripe.StripeClient, refund: stripe.Refund) -> None:
    (event,) = product.v1.events.list({"type": "refund.created", "limit": 1}).data
    check(stripe.Event, event)
    assert event.data.object.to_dict() == product.v1.refunds.retrieve(refund.id).to_dict()
