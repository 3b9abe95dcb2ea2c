"""dj-stripe's records: brought up to what Stripe has whatever fails meanwhile, after all that people wait for."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
import stripe
from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django_q.models import OrmQ
from djstripe.models import Charge, Customer, Dispute, Event, PaymentIntent, Refund

from luxewin.tasks.queue import enqueue
from luxewin.tests.asking import HTTP
from purchases import gateway, services, tasks
from purchases.models import Purchase, StaleMirror, StripeNotice
from purchases.services import stripe_sync
from purchases.tests.stage import DECLINED, bought, buy, confirm, pay

pytestmark = [pytest.mark.usefixtures("own_stripe"), pytest.mark.django_db]
INTENT = StripeNotice.About.INTENT


@pytest.fixture
def fault():
    """`fault("/v1/charges/", status=503, times=6)` befalls the requests that come next."""
    faults = f"{stripe.api_base}/_config/faults"

    def order(path, **what):
        HTTP.post(faults, json={"path": path, **what}).raise_for_status()

    yield order
    HTTP.delete(faults).raise_for_status()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Of the library's own between its tries."""
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)
    monkeypatch.setattr("stripe._http_client.HTTPClient.MAX_DELAY", 0)


def time_passes():
    """As long as a failed record waits at most."""
    StaleMirror.objects.update(due_at=F("due_at") - stripe_sync.LONGEST_PAUSE)


def recorded(kind, stripe_id):
    return kind.objects.get(id=stripe_id).stripe_data


def test_everything_that_happens_to_a_payment_is_recorded(alice, on_sale, own_stripe, hear):
    purchase = buy(alice, on_sale())
    intent = purchase.payment.intent_id
    pay(purchase.payment.client_secret, DECLINED)
    hear()
    assert recorded(PaymentIntent, intent)["status"] == "requires_payment_method"
    pay(purchase.payment.client_secret).raise_for_status()
    hear()
    assert recorded(PaymentIntent, intent)["status"] == "succeeded"
    charge = recorded(PaymentIntent, intent)["latest_charge"]
    assert recorded(Charge, charge)["amount_refunded"] == 0
    assert Customer.objects.get().subscriber == alice
    services.request_refund(purchase.pk, reason="Sold the car.")
    for _ in range(2):  # the refund is made, and heard of
        hear()
    assert Refund.objects.get().stripe_data["status"] == "succeeded"
    assert recorded(Charge, charge)["amount_refunded"] == 500
    assert set(Event.objects.values_list("type", flat=True)) == {
        *("payment_intent.payment_failed", "payment_intent.succeeded", "refund.created")
    }
    assert not StaleMirror.objects.exists()


def test_a_dispute_is_recorded_to_its_end_with_its_charge(alice, on_sale, own_stripe, hear):
    purchase = bought(alice, on_sale())
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    hear()
    assert recorded(Dispute, dispute["id"])["status"] == "needs_response"
    assert recorded(Charge, dispute["charge"])["disputed"]
    stripe.Dispute.close(dispute["id"])
    hear()
    assert recorded(Dispute, dispute["id"])["status"] == "lost"


@pytest.fixture(params=["500", "503", "connection refused"])
def failing(request, fault, monkeypatch):
    """`with failing("/v1/charges/"):` all tries at it fail, those that the library makes by itself too."""

    @contextmanager
    def fail(path):
        if request.param != "connection refused":
            fault(path, method="GET", times=1 + stripe.max_network_retries, status=int(request.param))
            yield
            return
        with monkeypatch.context() as closed:
            closed.setattr(stripe, "api_base", "http://127.0.0.1:1")
            yield

    return fail


def test_a_record_that_failed_twice_is_made_all_the_same_and_settling_does_not_wait(
    alice, on_sale, failing, run_tasks, caplog
):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    services.settle_purchase(purchase.pk)
    with failing("/v1/payment_intents/"):
        run_tasks()
    [stale] = StaleMirror.objects.all()
    assert (stale.pk, stale.tries, stale.claimed_until) == (purchase.payment.intent_id, 1, None)
    assert timedelta(seconds=1) < stale.due_at - timezone.now() <= timedelta(seconds=5)
    time_passes()
    # This time between the intent and its charge.
    with failing("/v1/charges/"):
        run_tasks()
    assert StaleMirror.objects.get().tries == 2
    assert timedelta(seconds=5) < StaleMirror.objects.get().due_at - timezone.now() <= timedelta(seconds=10)
    assert "its records wait" in caplog.text
    # Meanwhile the buyer has their tickets and their mail.
    assert Purchase.objects.get().status == "paid"
    assert alice.notifications.filter(kind="purchase_paid").exists()
    assert not Charge.objects.exists()
    time_passes()
    run_tasks()
    record = recorded(PaymentIntent, purchase.payment.intent_id)
    assert (record["status"], recorded(Charge, record["latest_charge"])["paid"]) == ("succeeded", True)
    assert not StaleMirror.objects.exists()


def test_a_task_that_was_lost_is_replaced_once_its_claim_is_over(alice, on_sale, run_tasks):
    bought(alice, on_sale())
    assert tasks.bring_mirrors_up() == 1
    OrmQ.objects.all().delete()
    assert tasks.bring_mirrors_up() == 0
    StaleMirror.objects.update(claimed_until=timezone.now())
    run_tasks()
    assert PaymentIntent.objects.count() == 1


def test_what_cannot_be_recorded_says_why_and_keeps_no_other(alice, bob, on_sale, run_tasks, monkeypatch, caplog):
    raffle = on_sale()
    broken, fine = bought(alice, raffle).payment.intent_id, bought(bob, raffle).payment.intent_id

    def fail(intent_id):
        if intent_id == broken:
            raise KeyError("of another world")
        gateway.mirror_intent(intent_id)

    monkeypatch.setitem(stripe_sync.MIRRORS, INTENT, fail)
    run_tasks()
    assert PaymentIntent.objects.get().id == fine
    assert StaleMirror.objects.get().error == "KeyError: 'of another world'"
    assert f"the record of {broken} cannot be made" in caplog.text


def test_what_stripe_does_not_know_is_not_asked_for_for_ever(run_tasks, caplog):
    services.note_change((INTENT, "pi_gone"))
    run_tasks()
    assert "Stripe does not know pi_gone" in caplog.text
    assert not StaleMirror.objects.exists()


def test_a_change_in_the_middle_of_recording_is_recorded_too(alice, on_sale, run_tasks, monkeypatch):
    purchase = bought(alice, on_sale())
    intent, looks = purchase.payment.intent_id, []

    def mirror(intent_id):
        gateway.mirror_intent(intent_id)
        if not looks:
            stripe.PaymentIntent.modify(intent_id, description="Changed meanwhile.")
            StaleMirror.objects.update(noted_at=timezone.now(), due_at=timezone.now())  # as its event does
        looks.append(intent_id)

    monkeypatch.setitem(stripe_sync.MIRRORS, INTENT, mirror)
    run_tasks()
    assert looks == [intent, intent]
    assert recorded(PaymentIntent, intent)["description"] == "Changed meanwhile."


def test_while_one_is_at_it_nobody_else_asks_about_the_same(alice, on_sale, monkeypatch):
    """Else who asked first could come last and write the older word over the newer."""
    bought(alice, on_sale())
    asked = []

    def mirror(intent_id):
        asked.append(intent_id)
        services.note_change((INTENT, intent_id))
        assert services.claim_stale_mirrors() == []
        stripe_sync.mirror_now(INTENT, intent_id)

    monkeypatch.setitem(stripe_sync.MIRRORS, INTENT, mirror)
    services.mirror_batch(services.claim_stale_mirrors())
    assert len(asked) == 1
    # Whoever has claimed it is killed before.
    assert stripe_sync.LEASE.total_seconds() > settings.Q_CLUSTER["timeout"]


def test_records_give_way_to_work_that_waits(people, on_sale):
    raffle = on_sale()
    for buyer in people(3):
        bought(buyer, raffle)
    OrmQ.objects.all().delete()
    assert tasks.bring_mirrors_up() == 3
    OrmQ.objects.all().delete()
    keys = list(StaleMirror.objects.values_list("pk", flat=True))
    enqueue(tasks.sync_object, "pi_of_somebody_who_waits")
    tasks.mirror_batch(keys)
    assert PaymentIntent.objects.count() == 1
    # One a turn, however busy it is; and what was left free is at once somebody else's.
    OrmQ.objects.all().delete()
    keys = services.claim_stale_mirrors()
    assert len(keys) == 2
    tasks.mirror_batch(keys)
    assert PaymentIntent.objects.count() == 3


def test_however_many_there_are_one_task_is_queued(monkeypatch):
    monkeypatch.setattr(stripe_sync, "BATCH", 2)
    services.note_change(*((INTENT, f"pi_{number}") for number in range(5)))
    assert [tasks.bring_mirrors_up() for _ in range(3)] == [2, 0, 0]
    assert OrmQ.objects.count() == 1


def test_a_debit_is_recorded_while_its_bank_takes_days(alice, on_sale, own_stripe, hear):
    purchase = buy(alice, on_sale(currency="eur"))
    confirm(purchase.payment.client_secret, "pm_sepaDebit_success_de").raise_for_status()
    hear()
    assert recorded(PaymentIntent, purchase.payment.intent_id)["status"] == "processing"
    own_stripe(f"payment_intents/{purchase.payment.intent_id}/finish")
    hear()
    assert recorded(PaymentIntent, purchase.payment.intent_id)["status"] == "succeeded"


def test_an_event_of_a_dispute_that_is_not_ours_leaves_no_note(own_stripe, hear):
    made = stripe.PaymentIntent.create(amount=500, currency="gbp", payment_method="pm_card_visa", confirm=True)
    own_stripe("disputes", payment_intent=made.id)
    hear()
    assert not StaleMirror.objects.exists()
    assert not Dispute.objects.exists()
