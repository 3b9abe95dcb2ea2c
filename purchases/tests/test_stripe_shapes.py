"""Whatever documented shape Stripe's objects come in, they are read, recorded by dj-stripe, and take effect."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, WebhookEndpoint
from djstripe.models import Refund as StripeRefund

from purchases import gateway, services
from purchases import models as ours
from purchases.tests.stage import hold
from purchases.tests.stripe_shapes import VARIANTS, Replay, identifier, shape

in_every_shape = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def replaying() -> Iterator[tuple[Replay, str]]:
    replay = Replay()
    for address in replay.running():
        yield replay, address


@pytest.fixture
def endpoint(db) -> WebhookEndpoint:
    """Our endpoint, registered at the stand-in before Stripe becomes a replay."""
    return gateway.register_webhook("http://127.0.0.1:9")


@pytest.fixture
def replay(endpoint, replaying: tuple[Replay, str], monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Stripe shows what a test hands to this."""
    replay, address = replaying
    replay.objects.clear()
    monkeypatch.setattr(stripe, "api_base", address)
    return replay


@pytest.fixture
def waiting(alice, on_sale, db) -> ours.Payment:
    """Two held tickets whose intent is open; Stripe and we know the buyer under the id that all shapes have."""
    Customer.objects.create(id=identifier(stripe.Customer), subscriber=alice, livemode=False, stripe_data={})
    payment = hold(alice, on_sale(ticket_price=500), 2).payment
    ours.Payment.objects.filter(pk=payment.pk).update(status="open", intent_id=identifier(stripe.PaymentIntent))
    return payment


def intent(variant: str, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    facts = {"status": status, "amount": 1000, "amount_received": 1000, "currency": "gbp"}
    made = shape(stripe.PaymentIntent, variant, **facts | fields)
    # A customer may be null at Stripe; ours never is.
    return made | {"customer": made["customer"] or identifier(stripe.Customer)}


@in_every_shape
def test_a_paid_intent_gives_tickets(variant, replay, waiting):
    replay(intent(variant))
    assert services.settle_purchase(waiting.purchase_id).tickets == {"first": 1, "last": 2, "count": 2}


@in_every_shape
def test_an_intent_without_our_customer_is_reviewed(variant, replay, waiting):
    replay(intent(variant) | {"customer": None})
    purchase = services.settle_purchase(waiting.purchase_id)
    assert (purchase.status, purchase.review_evidence["intent"]["customer"]) == ("review", None)


# Whole objects in the place of ids come only to those who ask for them, and for its records dj-stripe does not.
@pytest.mark.parametrize("variant", [each for each in VARIANTS if each != "expanded"])
@pytest.mark.parametrize(
    ("kind", "mirror", "model"),
    [
        (stripe.PaymentIntent, gateway.mirror_intent, PaymentIntent),
        (stripe.Refund, gateway.mirror_refund, StripeRefund),
        (stripe.Dispute, gateway.mirror_dispute, Dispute),
    ],
    ids=["payment_intent", "refund", "dispute"],
)
def test_dj_stripe_records_it(kind, mirror, model, variant, replay, db):
    made = replay(shape(kind, variant, status="succeeded"))
    # Null in the library's annotations, but at Stripe every customer has it.
    replay(shape(stripe.Customer, "bare", metadata={}, invoice_settings={"default_payment_method": None}))
    if kind is stripe.Refund:
        made["charge"] = identifier(stripe.Charge)
    mirror(made["id"])
    mirror(made["id"])  # once more, over the first record
    recorded = model.objects.get(id=made["id"])
    assert recorded.stripe_data["object"] == made["object"]
    assert ("not_yet_documented" in recorded.stripe_data) is (variant == "newer")


def test_a_refund_without_a_charge_cannot_be_recorded_and_harms_nobody(replay, caplog):
    made = replay(shape(stripe.Refund, "bare"))
    gateway.mirror_refund(made["id"])
    assert "has no charge" in caplog.text
    assert not StripeRefund.objects.exists()


@in_every_shape
def test_a_refund_goes_through_its_states(variant, replay, waiting):
    replay(intent(variant))
    services.settle_purchase(waiting.purchase_id)
    refund = services.request_refund(waiting.purchase_id, reason="Changed their mind.")
    ours.Refund.objects.filter(pk=refund.pk).update(stripe_id=identifier(stripe.Refund))
    seen = []
    for status in (None, "pending", "requires_action", "succeeded", "failed"):
        replay(shape(stripe.Refund, variant, status=status))
        services.execute_refund(refund.pk)
        seen.append(ours.Refund.objects.values_list("status", "payment__purchase__status").get())
    pending = ("pending", "refunding")
    assert seen == [pending, pending, pending, ("succeeded", "refunded"), ("failed", "refunding")]


@in_every_shape
def test_a_dispute_is_noted(variant, replay, waiting):
    made = shape(stripe.Dispute, variant, status="needs_response", amount=1000, currency="gbp", reason="fraudulent")
    replay(made | {"payment_intent": made["payment_intent"] or identifier(stripe.PaymentIntent)})
    services.note_dispute(made["id"])
    purchase = ours.Purchase.objects.get()
    assert purchase.disputed_at is not None
    assert ours.Dispute.objects.get().payment == waiting


@pytest.fixture
def deliver(client, endpoint) -> Callable[[dict[str, Any]], int]:
    """Sends a signed event to the real door; the status it answers with."""

    def send(event: dict[str, Any]) -> int:
        body = json.dumps(event)
        signature = stripe.WebhookSignature.generate_signature_header(body, endpoint.secret)
        path = f"/api/v1/webhooks/stripe/{endpoint.djstripe_uuid}"
        return client.generic(
            "POST", path, body, content_type="application/json", headers={"Stripe-Signature": signature}
        ).status_code

    return send


@in_every_shape
@pytest.mark.parametrize("name", gateway.EVENTS)
def test_an_event_is_taken_whatever_it_carries(name, variant, replay, deliver):
    kinds = {"payment_intent": stripe.PaymentIntent, "refund": stripe.Refund, "charge.dispute": stripe.Dispute}
    kind = kinds[name.rpartition(".")[0]]
    about = {"object": shape(kind, variant)}
    event = shape(stripe.Event, variant, type=name, data=about, id=f"evt_{variant}", account=None)
    assert deliver(event) == 200
    assert deliver(event) == 200
    assert Event.objects.get().type == name


@in_every_shape
def test_the_event_of_a_payment_gives_tickets(variant, replay, waiting, deliver, run_tasks):
    made = replay(intent(variant))
    event = shape(stripe.Event, variant, type="payment_intent.succeeded", data={"object": made}, account=None)
    assert deliver(event) == 200
    run_tasks()
    assert ours.Purchase.objects.get().status == "paid"
    assert PaymentIntent.objects.get().id == made["id"]
    assert Charge.objects.count() <= 1
