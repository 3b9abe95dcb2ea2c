"""Reconciliation of dj-stripe's records: one that is missing, or not what Stripe says now, is printed and made."""

import pytest
import stripe
from django.db.models import F
from djstripe.models import Charge, PaymentIntent
from djstripe.models import Dispute as DisputeRecord
from djstripe.models import Refund as RefundRecord

from purchases import gateway, services
from purchases.models import StaleMirror, StripeNotice
from purchases.services import stripe_sync
from purchases.tests.stage import bought, buy
from purchases.tests.test_reconciling import reconcile

pytestmark = [pytest.mark.usefixtures("own_stripe"), pytest.mark.django_db]


@pytest.fixture
def refunded(alice, on_sale, own_stripe, run_tasks):
    """A payment that was disputed, won and sent back, all of it recorded."""
    purchase = bought(alice, on_sale())
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    services.note_dispute(dispute["id"])
    stripe.Dispute.modify(dispute["id"], evidence={"uncategorized_text": "winning_evidence"}, submit=True)
    services.note_dispute(dispute["id"])
    services.request_refund(purchase.pk, reason="Sold the car.")
    run_tasks()
    assert not reconcile()[1]
    return purchase


RECORDS = {"payment_intent": PaymentIntent, "refund": RefundRecord, "dispute": DisputeRecord}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_missing_is_printed_and_made(kind, refunded):
    record = RECORDS[kind].objects.get()
    status = record.stripe_data["status"]
    record.delete()
    line = f"dj-stripe's record of {record.id} ({status}) is missing"
    lines, remain = reconcile("--dry-run")
    assert remain
    assert line in lines
    assert not RECORDS[kind].objects.exists()
    lines, remain = reconcile()
    assert not remain
    assert f"{line}; recorded" in lines
    assert RECORDS[kind].objects.get().stripe_data["status"] == status
    assert len(reconcile()[0]) == 1


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_says_what_was_before_is_printed_and_brought_up(kind, refunded):
    record = RECORDS[kind].objects.get()
    status = record.stripe_data["status"]
    record.stripe_data["status"] = "processing"
    record.save()
    lines, remain = reconcile()
    assert not remain
    assert lines[0] == f"dj-stripe's record of {record.id} ({status}) says processing; recorded"
    assert RECORDS[kind].objects.get().stripe_data["status"] == status


def test_what_has_just_changed_is_left_to_its_worker(alice, on_sale):
    purchase = bought(alice, on_sale())
    assert len(reconcile()[0]) == 1
    assert list(StaleMirror.objects.values_list("pk", flat=True)) == [purchase.payment.intent_id]


def test_what_a_worker_failed_to_record_is_made(alice, on_sale):
    purchase = bought(alice, on_sale())
    StaleMirror.objects.update(tries=F("tries") + 3)
    assert "is missing; recorded" in reconcile()[0][0]
    assert Charge.objects.count() == 1
    assert PaymentIntent.objects.get().id == purchase.payment.intent_id
    assert not StaleMirror.objects.exists()


def test_an_intent_that_waits_for_its_buyer_needs_no_record(alice, on_sale):
    intent = buy(alice, on_sale()).payment.intent_id
    assert len(reconcile()[0]) == 1
    gateway.mirror_intent(intent)
    assert len(reconcile()[0]) == 1


def test_what_cannot_be_recorded_is_printed_and_keeps_no_other(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    broken, fine = bought(alice, raffle), bought(bob, raffle)
    StaleMirror.objects.all().delete()

    def fail(intent_id):
        if intent_id == broken.payment.intent_id:
            raise KeyError("of another world")
        gateway.mirror_intent(intent_id)

    monkeypatch.setitem(stripe_sync.MIRRORS, StripeNotice.About.INTENT, fail)
    lines, remain = reconcile()
    assert remain
    assert f"{broken.payment.intent_id}: cannot be compared: KeyError('of another world')" in lines
    assert PaymentIntent.objects.get().id == fine.payment.intent_id
