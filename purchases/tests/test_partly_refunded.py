"""Money of which a part is gone already, by hand or by a dispute: the rest goes back, and what is open ends."""

import pytest
import stripe

from accounts.models import Notification
from accounts.privacy.erasure import obstacles_of
from purchases import services
from purchases.errors import NotRefundable
from purchases.models import Dispute, Purchase, Refund
from purchases.services.reconciliation import faults_of_the_books
from purchases.tests.stage import bought, buy, confirm, counts
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


@pytest.fixture
def failing(own_stripe, alice, on_sale, hear):
    """Three tickets of Alice's, 1500, paid with a card to which refunds fail days later."""
    purchase = buy(alice, on_sale(), 3)
    confirm(purchase.payment.client_secret, "pm_card_refundFail").raise_for_status()
    hear()
    return purchase


def alarms():
    return Notification.objects.mails().filter(kind="refund_failed").count()


def test_what_was_made_by_hand_and_failed_is_not_missing(failing, own_stripe, hear, run_tasks, fiona):
    made = by_hand(failing, 100)
    hear()
    own_stripe(f"refunds/{made.id}/finish")
    hear()
    assert alarms() == 1
    services.request_refund(failing.pk, reason="They asked.")
    run_tasks()
    assert state() == ("refunded", ("succeeded", 1500))


@pytest.mark.parametrize("before", ["our own refund closed", "the raffle cancelled", "withdrawn by finance"])
@pytest.mark.parametrize("amounts", [[1500], [400, 1100]])
def test_money_sent_by_hand_that_comes_back_after_the_void_is_a_failed_refund(
    failing, own_stripe, hear, run_tasks, fiona, before, amounts
):
    made = [by_hand(failing, amount) for amount in amounts][-1]
    if before == "our own refund closed":
        services.request_refund(failing.pk, reason="They asked.")
        run_tasks()
    hear()
    if before == "the raffle cancelled":
        raffle_services.cancel_raffle(failing.raffle_id, reason="The car is gone.")
        run_tasks()
    elif before == "withdrawn by finance":
        services.void_purchase(failing.pk, reason="Refunded by hand.", actor=fiona)
    assert Purchase.objects.get().status == "void"
    own_stripe(f"refunds/{made.id}/finish")
    hear()
    assert state() == ("refunding", ("failed", amounts[-1]))
    assert (alarms(), bool(obstacles_of(failing.buyer))) == (1, True)
    assert not list(faults_of_the_books())
    # Told once more, it is not news.
    services.note_refund(made.id)
    assert alarms() == 1
    services.retry_refund(Refund.objects.get().pk, actor=fiona)
    run_tasks()
    assert state() == ("refunded", ("succeeded", amounts[-1]))
    assert not list(faults_of_the_books())


def test_a_part_sent_by_hand_that_comes_back_after_the_rest_is_told(failing, own_stripe, hear, run_tasks, fiona):
    made = by_hand(failing, 100)
    services.request_refund(failing.pk, reason="They asked.")
    hear()
    own_stripe(f"refunds/{made.id}/finish")
    hear()
    assert (state(), alarms()) == (("refunded", ("succeeded", 1400)), 1)


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


def test_a_lost_dispute_in_another_currency_leaves_nothing_and_is_flagged(purchase, own_stripe, hear, run_tasks):
    """How much of 1500 pence 1200 cents took is not ours to guess, and what was taken is never paid twice."""
    own_stripe("disputes", payment_intent=purchase.payment.intent_id, amount=1200, currency="usd")
    hear()
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The car is gone.")
    run_tasks()
    end(Dispute.objects.get(), hear, won=False)
    assert (state(), sent(purchase)) == (("void", ("closed", 1500)), [])
    assert any("is in usd" in fault for fault in Purchase.objects.get().review_evidence["faults"])


@pytest.mark.parametrize("withdrawn", ["by finance", "by its own refund"])
def test_a_dispute_that_was_lost_and_is_won_after_all_is_a_failed_refund(
    purchase, own_stripe, hear, run_tasks, fiona, withdrawn
):
    dispute = dispute_of(purchase, own_stripe, hear)
    if withdrawn == "by its own refund":
        services.request_refund(purchase.pk, reason="They asked.")
        run_tasks()
    end(dispute, hear, won=False)
    if withdrawn == "by finance":
        services.void_purchase(purchase.pk, reason="The bank took the money.", actor=fiona)
    assert Purchase.objects.get().status == "void"
    own_stripe(f"disputes/{dispute.pk}/decide", status="won")
    hear()
    assert Dispute.objects.get().status == "won"
    assert (state(), alarms()) == (("refunding", ("failed", 1500)), 1)
    services.retry_refund(Refund.objects.get().pk, actor=fiona)
    run_tasks()
    assert (state(), sent(purchase)) == (("refunded", ("succeeded", 1500)), [1500])
    assert not list(faults_of_the_books())
