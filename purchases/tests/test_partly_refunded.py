"""Money of which a part is gone already, by hand or by a dispute: the rest goes back, and what is open ends."""

import pytest
import stripe

from accounts.privacy.erasure import obstacles_of
from purchases import services
from purchases.errors import NotRefundable
from purchases.models import Dispute, Purchase, Refund
from purchases.services.reconciliation import faults_of_the_books
from purchases.tests.stage import bought, counts
from raffles import services as raffle_services


@pytest.fixture
def purchase(own_stripe, alice, on_sale, hear):
    """Three tickets of Alice's, 1500."""
    return bought(alice, on_sale(), 3)


def by_hand(purchase, amount=None, **said):
    return stripe.Refund.create(payment_intent=purchase.payment.intent_id, amount=amount, **said)


def sent(purchase):
    """What Stripe sent back, oldest first."""
    made = stripe.Refund.list(payment_intent=purchase.payment.intent_id).data
    return [each.amount for each in reversed(made) if each.status == "succeeded"]


def dispute_of(purchase, own_stripe, hear, amount=None):
    said = {} if amount is None else {"amount": amount}
    own_stripe("disputes", payment_intent=purchase.payment.intent_id, **said)
    hear()
    return Dispute.objects.get()


def end(dispute, hear, *, won):
    if won:
        stripe.Dispute.modify(dispute.pk, evidence={"uncategorized_text": "winning_evidence"}, submit=True)
    else:
        stripe.Dispute.close(dispute.pk)
    hear()


def state():
    purchase = Purchase.objects.get()
    return purchase.status, Refund.objects.values_list("status", "amount").get()


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_the_rest_goes_back(purchase, hear, run_tasks, told):
    by_hand(purchase, 100)
    if told:
        hear()
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    assert state() == ("refunded", ("succeeded", 1400))
    assert sent(purchase) == [100, 1400]
    assert not list(faults_of_the_books())


def test_a_cancelled_raffle_sends_the_rest_back(purchase, hear, run_tasks):
    by_hand(purchase, 100)
    hear()
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The car is gone.")
    run_tasks()
    assert (state(), sent(purchase)) == (("refunded", ("succeeded", 1400)), [100, 1400])


def test_what_was_made_by_hand_and_failed_is_not_missing(purchase, hear, run_tasks, own_stripe):
    made = by_hand(purchase, 100)
    hear()
    services.note_refund(made.id)
    services.request_refund(purchase.pk, reason="They asked.")
    by_hand(purchase, 400)
    run_tasks()
    assert (state(), sent(purchase)) == (("refunded", ("succeeded", 1000)), [100, 400, 1000])


def test_where_nothing_is_left_the_refund_ends_and_the_purchase_is_void(purchase, hear, run_tasks, alice):
    by_hand(purchase)
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    assert state() == ("void", ("closed", 1500))
    assert sent(purchase) == [1500]
    assert not obstacles_of(alice)
    assert not list(faults_of_the_books())


def test_money_of_another_payment_does_not_count(purchase, hear):
    """What was refunded by hand is of its own payment alone."""
    by_hand(purchase, 100)
    hear()
    evidence = Purchase.objects.get().review_evidence
    assert list(evidence["refunded_payments"].values()) == [str(purchase.payment.pk)]


def test_a_void_closes_a_refund_that_failed(purchase, hear, run_tasks, trouble, alice):
    services.request_refund(purchase.pk, reason="They asked.")
    Refund.objects.update(status="failed", error="The balance was empty.")
    by_hand(purchase)
    made = stripe.Refund.list(payment_intent=purchase.payment.intent_id).data[0]
    services.note_refund(made.id)
    assert state() == ("void", ("closed", 1500))
    assert not obstacles_of(alice)


def test_a_refund_waits_for_the_end_of_a_dispute_that_is_won(purchase, own_stripe, hear, run_tasks):
    dispute = dispute_of(purchase, own_stripe, hear)
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The car is gone.")
    run_tasks()
    assert state() == ("refunding", ("waiting", 1500))
    end(dispute, hear, won=True)
    assert (state(), sent(purchase)) == (("refunded", ("succeeded", 1500)), [1500])


def test_a_dispute_that_stripe_alone_knows_of_is_waited_for_too(purchase, own_stripe, run_tasks, hear):
    own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    assert state() == ("refunding", ("waiting", 1500))
    hear()
    end(Dispute.objects.get(), hear, won=True)
    assert state() == ("refunded", ("succeeded", 1500))


def test_a_dispute_that_took_all_the_money_ends_the_refund(purchase, own_stripe, hear, run_tasks, alice):
    dispute = dispute_of(purchase, own_stripe, hear)
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    end(dispute, hear, won=False)
    assert (state(), sent(purchase)) == (("void", ("closed", 1500)), [])
    assert not obstacles_of(alice)
    assert not list(faults_of_the_books())


@pytest.mark.parametrize("cancelled_first", [True, False], ids=["cancelled, then lost", "lost, then cancelled"])
def test_what_a_dispute_that_was_lost_for_a_part_left_goes_back(purchase, own_stripe, hear, run_tasks, cancelled_first):
    dispute = dispute_of(purchase, own_stripe, hear, amount=600)
    if not cancelled_first:
        end(dispute, hear, won=False)
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The car is gone.")
    run_tasks()
    if cancelled_first:
        end(dispute, hear, won=False)
    assert (state(), sent(purchase)) == (("refunded", ("succeeded", 900)), [900])
    assert counts(purchase.raffle) == (0, 3)


def test_a_part_of_the_money_is_no_reason_to_void(purchase, own_stripe, hear, fiona):
    end(dispute_of(purchase, own_stripe, hear, amount=600), hear, won=False)
    with pytest.raises(NotRefundable):
        services.void_purchase(purchase.pk, reason="The bank took some.", actor=fiona)


def test_an_end_that_no_event_told_of_is_found(purchase, own_stripe, hear, run_tasks):
    dispute = dispute_of(purchase, own_stripe, hear)
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    stripe.Dispute.modify(dispute.pk, evidence={"uncategorized_text": "winning_evidence"}, submit=True)
    Refund.objects.update(claimed_until=None)
    run_tasks()
    assert state() == ("refunded", ("succeeded", 1500))
