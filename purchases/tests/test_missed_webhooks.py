"""Webhooks that never came: their events are fetched and take effect once, and news is kept until it was looked at."""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
import stripe
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ
from djstripe.models import Event, WebhookEventTrigger

from accounts.models import Notification
from accounts.notifications import compose
from purchases import gateway, services, tasks
from purchases.models import Purchase, SetAsideEvent, StripeNotice, StripeWatch, UnstoredEvent
from purchases.services import pending_syncs
from purchases.services.reconciliation import missed
from purchases.tests.stage import at_once, buy, counts, pay

pytestmark = pytest.mark.usefixtures("own_stripe")


@pytest.fixture(autouse=True)
def watching(db, monkeypatch) -> StripeWatch:
    """Events have been looked for until an hour ago; today's newest are not left to webhooks."""
    monkeypatch.setattr(missed, "MARGIN", timedelta(seconds=-2))
    watch = services.begin_watching()
    looked_until(timezone.now() - timedelta(hours=1))
    return watch


def looked_until(moment):
    StripeWatch.objects.update(events_until=moment, claimed_until=None)


@pytest.fixture
def requests(monkeypatch):
    """The paths that Stripe is asked."""
    asked, ask = [], stripe.default_http_client.request_with_retries

    def count(method, url, *arguments, **options):
        asked.append(url.removeprefix(stripe.api_base).partition("?")[0])
        return ask(method, url, *arguments, **options)

    monkeypatch.setattr(stripe.default_http_client, "request_with_retries", count)
    return asked


@pytest.fixture
def away(monkeypatch):
    """`with away():` nobody answers for Stripe."""

    @contextmanager
    def leave():
        with monkeypatch.context() as closed:
            # Nothing can listen on port 1 here.
            closed.setattr(stripe, "api_base", "http://127.0.0.1:1")
            closed.setattr(stripe, "max_network_retries", 0)
            yield

    return leave


def paid_at_stripe(buyer, raffle, quantity=1):
    purchase = buy(buyer, raffle, quantity)
    pay(purchase.payment.client_secret).raise_for_status()
    return purchase


def test_a_payment_of_which_no_webhook_told_is_settled_by_the_sweep(alice, on_sale, run_tasks):
    raffle = on_sale()
    purchase = paid_at_stripe(alice, raffle, 2)
    run_tasks()
    assert Purchase.objects.get().tickets == {"first": 1, "last": 2, "count": 2}
    assert [(each.type, each.data["object"]["id"]) for each in Event.objects.all()] == [
        ("payment_intent.succeeded", purchase.payment.intent_id)
    ]
    assert Notification.objects.mails().filter(kind="purchase_paid").count() == 1
    assert not StripeNotice.objects.exists()


def test_the_newest_events_are_left_to_their_webhooks(alice, on_sale, monkeypatch):
    monkeypatch.setattr(missed, "MARGIN", timedelta(seconds=10))
    paid_at_stripe(alice, on_sale())
    assert services.fetch_missed_events() == 0


def test_what_is_stored_is_not_fetched_again(alice, on_sale):
    paid_at_stripe(alice, on_sale())
    assert [services.fetch_missed_events() for _ in range(3)] == [1, 0, 0]
    looked_until(timezone.now() - timedelta(hours=1))
    assert services.fetch_missed_events() == 0


def test_when_all_is_quiet_it_costs_one_request(requests):
    services.fetch_missed_events()
    looked_until(timezone.now() - timedelta(seconds=90))
    requests.clear()
    services.fetch_missed_events()
    assert requests == ["/v1/events"]


def test_a_month_of_silence_is_walked_in_a_few_strides(requests):
    looked_until(timezone.now() - timedelta(days=29))
    services.fetch_missed_events()
    assert len(requests) < 25
    assert StripeWatch.objects.get().events_until > timezone.now() - timedelta(minutes=2)


@pytest.mark.django_db(transaction=True)
def test_fetched_by_four_at_once_and_delivered_meanwhile_it_counts_once(alice, on_sale, run_tasks):
    paid_at_stripe(alice, on_sale(), 3)
    services.fetch_missed_events()
    [event] = [each for page in gateway.events_between(timezone.now() - timedelta(hours=1), soon()) for each in page]
    Event.objects.all().delete()
    OrmQ.objects.all().delete()
    StripeNotice.objects.all().delete()
    looked_until(timezone.now() - timedelta(hours=1))
    fetched = at_once(*[services.fetch_missed_events] * 4, *[lambda: gateway.store_event(event)] * 4)
    assert not [each for each in fetched if isinstance(each, Exception)]
    assert Event.objects.count() == 1
    assert [queued.task["func"] for queued in OrmQ.objects.all()].count("purchases.tasks.sync_object") == 1
    run_tasks()
    assert Purchase.objects.get().tickets == {"first": 1, "last": 3, "count": 3}


def test_finance_is_told_once_of_webhooks_that_do_not_arrive(alice, bob, fiona, on_sale, run_tasks, monkeypatch):
    told = Notification.objects.mails().filter(user=fiona, kind="webhooks_silent")
    raffle = on_sale()

    def fetched(buyer):
        paid_at_stripe(buyer, raffle)
        looked_until(timezone.now() - timedelta(hours=1))
        services.fetch_missed_events()
        return told.count()

    # A webhook may be late, and three may be late at once.
    assert [fetched(alice) for _ in range(3)] == [0, 0, 0]
    Event.objects.update(djstripe_created=timezone.now() - missed.SILENT)
    assert [fetched(bob), fetched(bob)] == [1, 1]
    assert "No webhook ever came" in compose(told.get()).body
    # One came, and then it was silent again.
    now = timezone.now()
    heard = WebhookEventTrigger.objects.create(remote_ip="127.0.0.1", headers={}, body="{}")
    assert fetched(alice) == 1
    # What it brought was stored after it, and was not fetched.
    WebhookEventTrigger.objects.update(
        created=now - timedelta(hours=2), event=Event.objects.earliest("djstripe_created")
    )
    assert fetched(alice) == 2
    assert told.latest("id").context["count"] == Event.objects.count() - 1
    assert told.latest("id").context["last"][:16] == f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    assert str(heard.pk) in told.latest("id").dedupe_key


def soon():
    return timezone.now() + timedelta(seconds=2)


def test_many_are_fetched_a_page_at_a_time_and_oldest_first(monkeypatch):
    for _ in range(103):
        made = stripe.PaymentIntent.create(amount=500, currency="gbp")
        stripe.PaymentIntent.cancel(made.id)
    taken = []
    store = gateway.store_event
    monkeypatch.setattr(gateway, "store_event", lambda data: (taken.append(data["created"]), store(data)))
    monkeypatch.setattr(missed, "MOST", 50)
    assert services.fetch_missed_events() == 103
    assert taken == sorted(taken)
    # Of nothing of ours: stored, and nobody looks.
    assert not StripeNotice.objects.exists()


def test_an_event_that_cannot_be_taken_in_is_kept_and_tried_again_and_keeps_no_other(
    alice, bob, on_sale, monkeypatch, caplog, run_tasks
):
    raffle = on_sale()
    poisoned, good = paid_at_stripe(alice, raffle), paid_at_stripe(bob, raffle)
    store = gateway.store_event

    def fail(data):
        if data["data"]["object"]["id"] == poisoned.payment.intent_id:
            raise RuntimeError("a bug")
        store(data)

    before = StripeWatch.objects.get().events_until
    with monkeypatch.context() as broken:
        broken.setattr(gateway, "store_event", fail)
        assert services.fetch_missed_events() == 1
        kept = UnstoredEvent.objects.get()
        assert (kept.type, kept.tries, kept.error) == ("payment_intent.succeeded", 1, "RuntimeError: a bug")
        assert "cannot be taken in" in caplog.text
        # Those after it go on, and it is not fetched with each look.
        assert StripeWatch.objects.get().events_until > before + timedelta(minutes=50)
        assert list(StripeNotice.objects.values_list("pk", flat=True)) == [good.payment.intent_id]
        assert services.fetch_missed_events() == 0
        # A minute later, two after that, and so on.
        assert tasks.try_unstored_events() == 0
        UnstoredEvent.objects.update(claimed_until=timezone.now())
        run_tasks()
        wait = UnstoredEvent.objects.get().claimed_until - timezone.now()
        assert timedelta(seconds=90) < wait <= timedelta(minutes=2)
        assert "it cannot be taken in: RuntimeError: a bug" in "".join(map(str, services.faults_of_the_books()))
    UnstoredEvent.objects.update(claimed_until=timezone.now())
    run_tasks()
    assert not UnstoredEvent.objects.exists()
    assert {each.status for each in Purchase.objects.all()} == {"paid"}


def test_an_event_that_the_database_itself_cannot_hold_has_its_effect(alice, on_sale):
    purchase = buy(alice, on_sale())
    stripe.PaymentIntent.modify(purchase.payment.intent_id, description="A NUL: \0")
    pay(purchase.payment.client_secret).raise_for_status()
    assert services.fetch_missed_events() == 1
    assert Event.objects.get().data["object"]["description"] == "A NUL: \ufffd"
    assert StripeNotice.objects.get().pk == purchase.payment.intent_id


def test_a_fetched_event_that_cannot_be_used_is_set_aside_once(db, monkeypatch):
    services.begin_watching()
    StripeWatch.objects.update(events_until=timezone.now() - timedelta(minutes=1))
    event = {"id": "evt_odd", "type": "payment_intent.succeeded", "livemode": False, "data": {"object": None}}
    monkeypatch.setattr(gateway, "events_between", lambda start, end: [[event]])
    for _ in range(2):
        assert services.fetch_missed_events() == 0
    assert SetAsideEvent.objects.get().pk == "evt_odd"
    assert not UnstoredEvent.objects.exists()


def test_an_event_that_came_by_webhook_meanwhile_is_kept_no_longer(alice, on_sale, monkeypatch):
    paid_at_stripe(alice, on_sale())
    with monkeypatch.context() as broken:
        broken.setattr(gateway, "store_event", lambda data: 1 / 0)
        services.fetch_missed_events()
    kept = UnstoredEvent.objects.get()
    gateway.store_event(json.loads(kept.content))
    assert services.store_kept_event(kept.pk)
    assert (Event.objects.count(), UnstoredEvent.objects.count()) == (1, 0)


def test_where_an_event_cannot_even_be_kept_nothing_goes_on(alice, on_sale, monkeypatch):
    paid_at_stripe(alice, on_sale())

    def fail(*arguments, **named):
        raise OperationalError("the database is gone")

    with monkeypatch.context() as broken:
        broken.setattr(gateway, "store_event", fail)
        broken.setattr(UnstoredEvent.objects, "get_or_create", fail)
        with pytest.raises(OperationalError):
            services.fetch_missed_events()
    assert services.fetch_missed_events() == 1


def test_without_stripe_it_is_said_and_tried_again(alice, on_sale, away, caplog):
    paid_at_stripe(alice, on_sale())
    before = StripeWatch.objects.get().events_until
    with away():
        tasks.fetch_missed_events("1")
    assert "its events are asked for again" in caplog.text
    watch = StripeWatch.objects.get()
    assert watch.events_until == before
    assert watch.claimed_until > timezone.now()
    assert services.fetch_missed_events() == 1


def test_of_several_workers_one_asks(db):
    assert [tasks.look_for_missed_events() for _ in range(3)] == [1, 0, 0]


def test_events_that_stripe_has_forgotten_are_named_in_the_log(caplog):
    looked_until(timezone.now() - timedelta(days=40))
    services.fetch_missed_events()
    assert "manage.py reconcile --since" in caplog.text
    assert StripeWatch.objects.get().events_until > timezone.now() - timedelta(days=1)


def test_news_that_could_not_be_looked_at_is_taken_up_again(alice, on_sale, away, run_tasks, caplog):
    raffle = on_sale()
    purchase = paid_at_stripe(alice, raffle, 2)
    services.fetch_missed_events()
    with away():
        tasks.sync_object(purchase.payment.intent_id)
    assert f"the news of {purchase.payment.intent_id} waits" in caplog.text
    # The queue lost its task too.
    OrmQ.objects.all().delete()
    assert tasks.take_up_news() == 0
    StripeNotice.objects.update(claimed_until=timezone.now())
    assert tasks.take_up_news() == 1
    run_tasks()
    assert counts(raffle) == (0, 2)
    assert not StripeNotice.objects.exists()


def test_news_that_comes_while_somebody_looks_has_a_look_of_its_own(db, monkeypatch):
    looks = []

    def look(object_id):
        looks.append(object_id)
        if len(looks) == 1:
            services.request_sync(StripeNotice.About.INTENT, object_id)

    monkeypatch.setitem(pending_syncs.LOOKS, StripeNotice.About.INTENT, look)
    services.request_sync(StripeNotice.About.INTENT, "pi_1")
    services.sync_object("pi_1")
    assert StripeNotice.objects.count() == 1
    services.sync_object("pi_1")
    services.sync_object("pi_1")
    assert not StripeNotice.objects.exists()
    assert len(looks) == 2


@pytest.mark.parametrize("about", StripeNotice.About.values)
def test_news_of_what_stripe_does_not_know_is_said_once(about, db, caplog):
    services.request_sync(StripeNotice.About(about), "x_unknown")
    services.sync_object("x_unknown")
    assert "does not know it" in caplog.text
    assert not StripeNotice.objects.exists()
