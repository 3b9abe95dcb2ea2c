"""A transaction that never ends keeps nobody for ever: who waits for its locks gives up, and a sweep comes again."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from luxewin.api.problems import Busy
from purchases import services, tasks
from purchases.models import Purchase, StripeNotice
from purchases.tests.stage import bought, buy, pay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stuck(transactional_db):
    """`with stuck(row):` somebody has it locked and does nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")

    @contextmanager
    def hold(row):
        locked, done = threading.Event(), threading.Event()

        def keep():
            with transaction.atomic():
                type(row).objects.select_for_update().get(pk=row.pk)
                locked.set()
                done.wait(60)
            connection.close()

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            assert locked.wait(30)
            yield
        finally:
            done.set()
            keeper.join()

    yield hold
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def test_settling_gives_up_and_the_buyer_may_ask_again(api, alice, on_sale, stuck):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    client, asked = api(alice), {"purchase": str(purchase.pk)}
    with stuck(purchase):
        answer = client.post("/api/v1/purchases/verify", asked)
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "1")
    assert client.post("/api/v1/purchases/verify", asked).json()["status"] == "paid"


def test_a_worker_gives_up_and_the_sweep_comes_back_to_what_stripe_told(alice, on_sale, stuck, run_tasks, caplog):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    services.request_sync(StripeNotice.About.INTENT, purchase.payment.intent_id)
    with stuck(purchase):
        tasks.sync_object(purchase.payment.intent_id)
    assert f"the news of {purchase.payment.intent_id} waits" in caplog.text
    StripeNotice.objects.update(claimed_until=timezone.now())
    run_tasks()
    assert Purchase.objects.get().status == "paid"


def test_a_worker_gives_up_and_the_hold_ends_later(alice, on_sale, stuck, run_tasks, caplog):
    purchase = buy(alice, on_sale())
    Purchase.objects.update(expires_at=timezone.now())
    with stuck(purchase):
        tasks.expire_purchase(str(purchase.pk))
    assert "its hold stays" in caplog.text
    assert Purchase.objects.get().status == "pending"
    run_tasks()
    assert Purchase.objects.get().status == "expired"


def test_a_worker_gives_up_and_the_refund_is_noted_later(alice, on_sale, stuck, run_tasks, caplog):
    purchase = bought(alice, on_sale())
    refund = services.request_refund(purchase.pk, reason="Sold the car.")
    with stuck(purchase):
        tasks.execute_refund(str(refund.pk))
        with pytest.raises(Busy):
            services.request_refund(purchase.pk, reason="Sold the car.")
    assert f"refund {refund.pk} waits" in caplog.text
    run_tasks()
    assert Purchase.objects.get().status == "refunded"


def test_a_worker_gives_up_and_the_checkouts_of_who_has_changed_are_checked_later(
    alice, on_sale, stuck, run_tasks, caplog
):
    buy(alice, on_sale())
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with stuck(alice):
        tasks.check_changed_person(str(alice.pk))
    assert "their checkouts are checked again" in caplog.text
    assert Purchase.objects.get().status == "pending"
    run_tasks()
    assert Purchase.objects.get().status == "expired"


def test_settling_waits_no_longer_for_the_person_than_for_the_purchase(api, alice, on_sale, stuck):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    with stuck(alice), pytest.raises(Busy):
        services.settle_purchase(purchase.pk)
    assert services.settle_purchase(purchase.pk).status == "paid"
