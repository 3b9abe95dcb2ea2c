"""Refunds that take days, that come back, that Stripe refuses at first: our state follows Stripe's to the end."""

from datetime import timedelta

import pytest
import stripe
from django.utils import timezone

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from purchases import gateway, services, tasks
from purchases.errors import NotRefundable
from purchases.models import Purchase, Refund
from purchases.services import refunds
from purchases.tests.stage import buy, confirm


@pytest.fixture
def leaving(own_stripe, alice, on_sale, run_tasks):
    """`leaving(card)`: the refund of Alice's purchase, paid with it, once Stripe was asked."""

    def start(method):
        purchase = buy(alice, on_sale())
        confirm(purchase.payment.client_secret, method).raise_for_status()
        services.settle_purchase(purchase.pk)
        refund = services.request_refund(purchase.pk, reason="Sold the car.")
        run_tasks()
        refund.refresh_from_db()
        return refund

    return start


def states():
    """Of the refund and its purchase."""
    return Refund.objects.get().status, Purchase.objects.get().status


def test_a_refund_that_takes_days_is_followed_to_its_end(leaving, own_stripe, hear):
    refund = leaving("pm_card_pendingRefund")
    assert states() == ("pending", "refunding")
    assert not Notification.objects.mails().filter(kind="purchase_refunded").exists()
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    hear()
    assert states() == ("succeeded", "refunded")
    assert Notification.objects.mails().filter(kind="purchase_refunded").count() == 1


def test_a_slow_refund_of_which_no_event_tells_is_asked_for_every_half_hour(leaving, own_stripe, run_tasks):
    refund = leaving("pm_card_pendingRefund")
    Refund.objects.update(claimed_until=None)
    assert [tasks.follow_slow_refunds() for _ in range(2)] == [1, 0]
    wait = Refund.objects.get().claimed_until - timezone.now()
    assert timedelta(minutes=29) < wait <= timedelta(minutes=30)
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    run_tasks()
    assert states() == ("succeeded", "refunded")


def test_a_refund_that_comes_back_takes_its_purchase_back_and_can_be_tried_again(leaving, own_stripe, hear, fiona):
    refund = leaving("pm_card_refundFail")
    assert states() == ("succeeded", "refunded")
    with pytest.raises(NotRefundable):
        services.retry_refund(refund.pk)
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    hear()
    assert states() == ("failed", "refunding")
    assert Refund.objects.get().error == "expired_or_canceled_card"
    assert AuditEntry.objects.filter(action="purchase.refund_failed").count() == 1
    services.retry_refund(refund.pk, actor=fiona)
    hear()
    again = Refund.objects.get()
    assert states() == ("succeeded", "refunded")
    assert (again.attempt, again.stripe_id == refund.stripe_id) == (2, False)
    assert AuditEntry.objects.get(action="refund.retried").actor == fiona.pk
    assert Notification.objects.mails().filter(kind="purchase_refunded").count() == 1


def test_news_of_an_attempt_that_another_replaced_changes_nothing(leaving, own_stripe, hear):
    refund = leaving("pm_card_refundFail")
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    hear()
    services.retry_refund(refund.pk)
    services.note_refund(refund.stripe_id)
    assert states() == ("requested", "refunding")
    # Also where the second attempt's answer was lost.
    second = gateway.create_refund(Refund.objects.get(), refund.payment.intent_id)
    services.note_refund(refund.stripe_id)
    services.note_refund(second.id)
    services.note_refund(refund.stripe_id)
    assert Refund.objects.get().stripe_id == second.id
    assert states() == ("succeeded", "refunded")


@pytest.mark.parametrize(("card", "then"), [("pm_card_pendingRefund", "succeeded"), ("pm_card_refundFail", "failed")])
def test_what_stripe_said_of_a_refund_before_does_not_undo_what_came_since(card, then, leaving, own_stripe, hear):
    refund = leaving(card)
    earlier = gateway.retrieve_refund(refund.stripe_id)
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    hear()
    assert states()[0] == then
    before = states()
    refunds._note(refund.pk, earlier)  # of somebody who asked first and comes last
    assert states() == before


def test_a_refund_whose_answer_is_lost_and_which_then_fails_is_failed(leaving, own_stripe, hear, alice, on_sale):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_refundFail").raise_for_status()
    services.settle_purchase(purchase.pk)
    refund = services.request_refund(purchase.pk, reason="Lost.")
    made = gateway.create_refund(refund, purchase.payment.intent_id)
    own_stripe(f"refunds/{made.id}/finish")
    # Under the same key Stripe repeats its first answer, that it succeeded; the event's look is fresh.
    hear()
    assert states() == ("failed", "refunding")


def test_money_sent_back_by_hand_is_flagged_when_stripe_tells(own_stripe, alice, on_sale, hear):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_visa").raise_for_status()
    hear()
    made = stripe.Refund.create(payment_intent=purchase.payment.intent_id, amount=200)
    for _ in range(2):
        hear()
        services.note_refund(made.id)
    purchase.refresh_from_db()
    assert purchase.status == "paid"
    assert purchase.review_evidence == {
        "faults": [f"refund {made.id} of 200 gbp was made by hand"],
        "refunds": {made.id: 200},
        "refunded_payments": {made.id: str(purchase.payment.pk)},
    }
    assert AuditEntry.objects.filter(action="purchase.flagged").count() == 1
