"""Disputes: recorded as Stripe has them, flagged on their purchase, which keeps its tickets until finance decides."""

import time
from datetime import datetime

import pytest
import stripe
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import compose
from luxewin.audit.models import AuditEntry
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import DisputeOpened
from luxewin.webhooks.models import Event
from purchases import gateway, services
from purchases.errors import NotRefundable
from purchases.models import Dispute, Purchase, Refund, StripeNotice
from purchases.tests.stage import bought, buy, confirm, counts, pay
from raffles import services as raffle_services
from verification.services import advance_draw

DISPUTED = "4000000000000259"


def test_a_card_whose_owner_disputes_the_payment_flags_the_purchase(own_stripe, alice, on_sale, hear):
    raffle = on_sale()
    purchase = buy(alice, raffle, 2)
    own_stripe("settings", processing_seconds=0)
    pay(purchase.payment.client_secret, DISPUTED).raise_for_status()
    deadline = time.monotonic() + 60
    while not stripe.Dispute.list(payment_intent=purchase.payment.intent_id).data and time.monotonic() < deadline:
        time.sleep(0.05)
    hear()
    dispute = Dispute.objects.get()
    assert (dispute.payment, dispute.amount, dispute.currency) == (purchase.payment, 1000, "gbp")
    assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
    purchase.refresh_from_db()
    assert (purchase.status, purchase.tickets["count"]) == ("paid", 2)
    assert purchase.disputed_at
    assert AuditEntry.objects.get(action="purchase.disputed").after["dispute"] == dispute.pk
    assert not StripeNotice.objects.exists()


@pytest.fixture
def disputed(own_stripe, alice, on_sale, hear):
    """Alice's paid purchase, disputed."""
    purchase = bought(alice, on_sale())
    own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    hear()
    purchase.refresh_from_db()
    return purchase


def test_other_systems_and_finance_are_told_of_a_dispute_once(own_stripe, alice, mona, fiona, on_sale, hear):
    listening = {"url": "https://hooks.example/", "description": "", "event_types": ["dispute.opened"]}
    webhooks.create_endpoint(**listening, actor=mona)
    purchase = bought(alice, on_sale())
    own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    hear()
    services.note_dispute(Dispute.objects.get().pk)
    # Finance hears until when it is to be answered, and nobody else.
    (alarm,) = Notification.objects.filter(kind="dispute_opened")
    due = datetime.fromisoformat(alarm.context["due"])
    assert (alarm.user, due > timezone.now()) == (fiona, True)
    assert "Answer a dispute by" in compose(alarm).subject
    event = Event.objects.get()
    assert DisputeOpened(data=event.data).is_valid()
    assert set(event.data) == set(DisputeOpened().fields)
    assert (event.data["purchase"], event.data["amount"]) == (str(purchase.pk), purchase.amount)


def answer(dispute, text):
    stripe.Dispute.modify(dispute.pk, evidence={"uncategorized_text": text}, submit=True)


def test_a_dispute_that_goes_on_is_followed_to_its_end(disputed, hear):
    flagged_at = disputed.disputed_at
    answer(Dispute.objects.get(), "They played, see the log.")
    hear()
    assert Dispute.objects.get().status == "under_review"
    answer(Dispute.objects.get(), "winning_evidence")
    hear()
    assert Dispute.objects.get().status == "won"
    statuses = AuditEntry.objects.filter(action="purchase.disputed").order_by("id").values_list("after__status")
    assert [status for (status,) in statuses] == ["needs_response", "under_review", "won"]
    disputed.refresh_from_db()
    assert (disputed.status, disputed.disputed_at) == ("paid", flagged_at)


ANEW = [("won", "lost"), ("lost", "won"), ("warning_closed", "needs_response"), ("won", "under_review")]


@pytest.mark.parametrize(("ended", "anew"), ANEW)
def test_a_dispute_that_had_ended_is_followed_further(fiona, disputed, own_stripe, hear, ended, anew):
    """A bank can decide anew, and an inquiry become a dispute."""
    dispute = Dispute.objects.get()
    for status in (ended, anew):
        own_stripe(f"disputes/{dispute.pk}/decide", status=status)
        hear()
    dispute.refresh_from_db()
    assert dispute.status == anew
    disputed.refresh_from_db()
    assert f"which had ended as {ended}, is {anew}" in disputed.review_evidence["faults"][0]
    # Once more if it is to be answered again.
    alarms = Notification.objects.mails().filter(kind="dispute_opened", user=fiona)
    assert alarms.count() == 1 + (anew not in Dispute.CLOSED)


def test_an_older_answer_does_not_overwrite_a_newer_one(disputed, monkeypatch):
    """Two workers ask about one dispute: the answer that was asked for first comes last."""
    dispute = Dispute.objects.get()
    retrieve, asked = gateway.retrieve_dispute, []

    def overtaken(dispute_id):
        said = retrieve(dispute_id)
        asked.append(said.status)
        if len(asked) == 1:
            stripe.Dispute.close(dispute_id)
            services.note_dispute(dispute_id)
        return said

    monkeypatch.setattr(gateway, "retrieve_dispute", overtaken)
    services.note_dispute(dispute.pk)
    dispute.refresh_from_db()
    assert (dispute.status, asked) == ("lost", ["needs_response", "lost", "lost"])


def test_once_it_is_lost_finance_takes_the_purchase_out_of_its_raffle(disputed, fiona, hear):
    with pytest.raises(NotRefundable):
        services.void_purchase(disputed.pk, reason="Not lost yet.", actor=fiona)
    stripe.Dispute.close(Dispute.objects.get().pk)
    hear()
    assert Dispute.objects.get().status == "lost"
    services.void_purchase(disputed.pk, reason="The bank took the money.", actor=fiona)
    disputed.refresh_from_db()
    assert disputed.status == "void"
    assert counts(disputed.raffle) == (0, 1)
    entry = AuditEntry.objects.get(action="purchase.void")
    assert (entry.actor, entry.after["reason"]) == (fiona.pk, "The bank took the money.")
    assert not Refund.objects.exists()


def test_nobody_is_taken_out_of_frozen_entries(own_stripe, alice, on_sale, hear):
    raffle = on_sale(capacity=2)
    purchase = bought(alice, raffle, 2)
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    stripe.Dispute.close(dispute["id"])
    hear()
    raffle_services.close_raffle(raffle.pk)
    advance_draw(raffle.pk)
    with pytest.raises(NotRefundable, match="are fixed"):
        services.void_purchase(purchase.pk, reason="Too late.")


def test_money_that_is_disputed_is_not_sent_back_besides(disputed, run_tasks):
    services.request_refund(disputed.pk, reason="They asked.")
    run_tasks()
    assert Refund.objects.get().status == "waiting"
    assert Purchase.objects.get().status == "refunding"


def test_a_dispute_about_nothing_of_ours_is_left_alone(own_stripe, hear, db, caplog):
    made = stripe.PaymentIntent.create(amount=500, currency="gbp", automatic_payment_methods={"enabled": True})
    stripe.PaymentIntent.confirm(made.id, payment_method="pm_card_visa")
    own_stripe("disputes", payment_intent=made.id)
    hear()
    assert "is about no payment of ours" in caplog.text
    assert not Dispute.objects.exists()


def test_a_dispute_told_of_five_times_is_one(disputed, hear):
    dispute = Dispute.objects.get()
    for _ in range(5):
        services.note_dispute(dispute.pk)
    assert Dispute.objects.count() == 1
    assert AuditEntry.objects.filter(action="purchase.disputed").count() == 1


def test_a_payment_and_its_dispute_heard_of_at_once_are_both_noted(own_stripe, alice, on_sale, hear):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_visa").raise_for_status()
    own_stripe("disputes", payment_intent=purchase.payment.intent_id, amount=100)
    hear()
    purchase.refresh_from_db()
    # Both were news at once: whichever was looked at first, the purchase is paid and flagged.
    assert (purchase.status, bool(purchase.disputed_at)) == ("paid", True)
    assert Dispute.objects.get().amount == 100
