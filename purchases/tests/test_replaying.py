"""Replay: stored events are processed again, by command and in the back office, and bring back what was lost."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from djstripe.models import Event

from accounts.models import Notification
from purchases import services
from purchases.models import Purchase, StripeNotice, StripeWatch
from purchases.services.reconciliation import missed
from purchases.tests.stage import buy, counts, pay


@pytest.fixture
def lost(own_stripe, db, alice, on_sale, monkeypatch):
    """An event that was stored and whose effect was lost, as by a bug in a receiver; Alice's purchase waits."""
    purchase = buy(alice, on_sale(), 2)
    pay(purchase.payment.client_secret).raise_for_status()
    monkeypatch.setattr(missed, "MARGIN", -timedelta(seconds=2))
    services.begin_watching()
    stretch = timezone.now() - timedelta(minutes=1)
    StripeWatch.objects.update(events_until=stretch)
    services.fetch_missed_events()
    StripeNotice.objects.all().delete()
    OrmQ.objects.all().delete()
    return Event.objects.get()


def replay(**options):
    told = StringIO()
    call_command("replay_webhooks", stdout=told, **options)
    return told.getvalue().strip()


def test_an_event_whose_effect_was_lost_takes_effect(lost, run_tasks):
    run_tasks()
    assert Purchase.objects.get().status == "pending"
    assert replay() == "payment_intent.succeeded: 1 processed, 0 failed"
    run_tasks()
    purchase = Purchase.objects.get()
    assert (purchase.status, counts(purchase.raffle)) == ("paid", (0, 2))
    assert Event.objects.count() == 1


def test_an_event_that_took_effect_changes_nothing_however_often(lost, run_tasks):
    for _ in range(3):
        replay()
        run_tasks()
    assert counts(Purchase.objects.get().raffle) == (0, 2)
    assert Notification.objects.mails().filter(kind="purchase_paid").count() == 1


NOTHING = "No stored event fits."
ONE = "payment_intent.succeeded: 1 processed, 0 failed"


def test_only_events_that_fit_are_processed(lost):
    assert replay(since="1h") == ONE
    assert replay(since="2026-01-01") == ONE
    assert replay(type="payment_intent.succeeded") == ONE
    assert replay(id=lost.id) == ONE
    assert replay(type="refund.created") == NOTHING
    assert replay(id="evt_unknown") == NOTHING
    Event.objects.update(created=timezone.now() - timedelta(days=2))
    assert replay(since="1d") == NOTHING


def test_one_that_fails_is_counted_and_keeps_no_other(lost, monkeypatch, caplog):
    Event.objects.create(id="evt_bad", type="payment_intent.canceled", data={}, created=timezone.now(), stripe_data={})
    told = StringIO()
    with pytest.raises(CommandError, match="1 events could not be processed"):
        call_command("replay_webhooks", stdout=told)
    assert told.getvalue().splitlines() == ["payment_intent.canceled: 0 processed, 1 failed", ONE]
    assert "evt_bad (payment_intent.canceled) cannot be processed" in caplog.text
    assert StripeNotice.objects.count() == 1


@pytest.mark.filterwarnings("ignore:Overriding get_actions")
@pytest.mark.parametrize(("who", "may"), [("fiona", True), ("audrey", False)])
def test_in_the_back_office_finance_alone_processes_again(who, may, request, lost, run_tasks):
    desk = Client()
    desk.force_login(request.getfixturevalue(who))
    data = {"action": "replay", "_selected_action": [lost.pk]}
    answer = desk.post("/admin/djstripe/event/", data, follow=True)
    assert ([str(told) for told in answer.context["messages"]] == [f"Processed again: {lost.id}."]) is may
    run_tasks()
    assert (Purchase.objects.get().status == "paid") is may
