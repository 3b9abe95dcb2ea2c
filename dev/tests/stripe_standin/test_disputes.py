"""The Stripe stand-in's disputes take the money away, and evidence wins it back or does not."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from dev.tests.stripe_standin.stage import eventually, paid, pay, told
from dev.tests.stripe_standin.stage import make_intent as made

DISPUTED = "4000000000000259"
OPENED = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]


@pytest.fixture
def dispute(product: stripe.StripeClient, config: Callable[..., Any]) -> stripe.Dispute:
    """Of a payment of 50 euros, on demand."""
    intent = paid(product)
    return product.v1.disputes.retrieve(config("disputes", payment_intent=intent.id)["id"])


def submit(product: stripe.StripeClient, dispute: stripe.Dispute, text: str, **parameters: Any) -> stripe.Dispute:
    return product.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": text}, **parameters})


def test_a_card_is_charged_and_then_disputed_by_itself(
    product: stripe.StripeClient, device: httpx.Client, config: Callable[..., Any]
) -> None:
    config("settings", processing_seconds=0.3)
    intent = made(product)
    assert pay(device, intent, DISPUTED).json()["status"] == "succeeded"
    eventually(lambda: product.v1.disputes.list({"payment_intent": intent.id}).data != [])
    (dispute,) = product.v1.disputes.list({"payment_intent": intent.id}).data
    assert (dispute.amount, dispute.status, dispute.reason) == (5000, "needs_response", "fraudulent")
    assert [(change.amount, change.fee) for change in dispute.balance_transactions] == [(-5000, 1500)]
    charge = product.v1.charges.retrieve(dispute.charge)
    assert (charge.disputed, charge.dispute, charge.payment_intent) == (True, dispute.id, intent.id)
    assert told(product, dispute.id) == OPENED


def test_a_disputed_charge_cannot_be_refunded(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        product.v1.refunds.create({"payment_intent": str(dispute.payment_intent)})
    assert (refusal.value.http_status, refusal.value.code) == (400, "charge_disputed")


def test_a_charge_is_disputed_once(
    environment: dict[str, str], product: stripe.StripeClient, config: Callable[..., Any]
) -> None:
    intent = paid(product)
    order = {"payment_intent": intent.id, "reason": "product_not_received", "amount": 1200}
    made_ = config("disputes", **order)
    assert (made_["reason"], made_["amount"]) == ("product_not_received", 1200)
    assert httpx.post(f"{environment['STRIPE_API_BASE']}/_config/disputes", json=order).status_code == 400


def test_staged_evidence_is_not_submitted(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    staged = submit(product, dispute, "winning_evidence", submit=False, metadata={"case": "7"})
    assert (staged.status, staged.evidence_details.submission_count) == ("needs_response", 0)
    assert (staged.evidence_details.has_evidence, staged.metadata["case"]) == (True, "7")
    assert told(product, dispute.id) == [*OPENED, "charge.dispute.updated"]


def test_evidence_that_decides_nothing_is_under_review(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    reviewed = submit(product, dispute, "They played, see the attached log.")
    assert (reviewed.status, reviewed.evidence_details.submission_count) == ("under_review", 1)


def test_winning_evidence_brings_the_money_back(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    won = submit(product, dispute, "winning_evidence")
    assert won.status == "won"
    assert sum(change.net for change in won.balance_transactions) == 0
    closing = ["charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert told(product, dispute.id) == [*OPENED, *closing]
    assert product.v1.refunds.create({"payment_intent": str(dispute.payment_intent)}).status == "succeeded"


def test_losing_evidence_loses(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    assert submit(product, dispute, "losing_evidence").status == "lost"
    assert told(product, dispute.id) == [*OPENED, "charge.dispute.updated", "charge.dispute.closed"]


def test_a_dispute_that_is_accepted_is_lost_for_good(product: stripe.StripeClient, dispute: stripe.Dispute) -> None:
    assert product.v1.disputes.close(dispute.id).status == "lost"
    assert told(product, dispute.id) == [*OPENED, "charge.dispute.closed"]
    with pytest.raises(stripe.InvalidRequestError):
        submit(product, dispute, "winning_evidence")
    with pytest.raises(stripe.InvalidRequestError):
        product.v1.disputes.close(dispute.id)
