"""A raffle closes when its time has come or its last ticket is sold, exactly once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from luxewin.audit.models import AuditEntry
from raffles import services
from raffles.models import Raffle, TicketCounter
from raffles.tasks import close_due_raffles


def _closed_times(raffle: Raffle) -> int:
    return AuditEntry.objects.filter(action="raffle.closed", subject_id=str(raffle.pk)).count()


def let_time_pass(raffle: Raffle) -> None:
    """Its time passes, without waiting for it: the guard of the terms is taken off for one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute("UPDATE raffles_raffle SET closes_at = now() - interval '1 second' WHERE id = %s", [raffle.pk])
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")


def test_a_raffle_on_sale_is_not_closed(on_sale):
    raffle = on_sale()
    assert services.close_raffle(raffle.pk) is False
    assert close_due_raffles() == 0
    raffle.refresh_from_db()
    assert (raffle.closed_at, raffle.counter.selling) == (None, True)


def test_the_sweep_closes_by_time(on_sale, run_tasks):
    raffle = on_sale()
    run_tasks()
    let_time_pass(raffle)
    assert close_due_raffles() == 1
    # Claimed: a second worker's sweep leaves it alone.
    assert close_due_raffles() == 0
    run_tasks()
    raffle.refresh_from_db()
    assert raffle.closed_at is not None
    assert TicketCounter.objects.get(pk=raffle.pk).selling is False
    assert close_due_raffles() == 0


def test_the_last_ticket_closes_before_the_time(on_sale, run_tasks):
    raffle = on_sale()
    run_tasks()
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity - 1, held=1)
    assert close_due_raffles() == 0
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity, held=0)
    assert close_due_raffles() == 1
    run_tasks()
    raffle.refresh_from_db()
    assert raffle.closed_at < raffle.closes_at


def test_a_lost_task_is_taken_up_when_its_claim_ran_out(on_sale, run_tasks):
    raffle = on_sale()
    run_tasks()
    let_time_pass(raffle)
    assert close_due_raffles() == 1
    OrmQ.objects.all().delete()
    Raffle.objects.filter(pk=raffle.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert close_due_raffles() == 1


def test_closing_twice_closes_once(on_sale):
    raffle = on_sale()
    let_time_pass(raffle)
    assert [services.close_raffle(raffle.pk) for _ in range(3)] == [True, False, False]
    assert _closed_times(raffle) == 1


@pytest.mark.parametrize("state", ["draft", "cancelled"])
def test_what_is_not_on_sale_is_never_closed(state, draft, on_sale):
    raffle = draft() if state == "draft" else on_sale()
    if state == "cancelled":
        services.cancel_raffle(raffle.pk, reason="A flood.")
    let_time_pass(raffle)
    assert services.close_raffle(raffle.pk) is False
    assert close_due_raffles() == 0


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_that_close_at_once_one_does(on_sale):
    raffle = on_sale()
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity)
    barrier = Barrier(8)

    def close(number: int) -> bool:
        try:
            barrier.wait(timeout=60)
            return services.close_raffle(raffle.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(close, range(8))) == [False] * 7 + [True]
    assert _closed_times(raffle) == 1


@pytest.mark.django_db(transaction=True)
def test_closing_and_cancelling_at_once_leave_one_consistent_raffle(on_sale):
    raffle = on_sale()
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=raffle.capacity)
    barrier = Barrier(2)

    def run(work) -> None:
        try:
            barrier.wait(timeout=60)
            work()
        finally:
            connection.close()

    works = [lambda: services.close_raffle(raffle.pk), lambda: services.cancel_raffle(raffle.pk, reason="A flood.")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, works))
    raffle.refresh_from_db()
    assert raffle.status == Raffle.Status.CANCELLED
    assert TicketCounter.objects.get(pk=raffle.pk).selling is False
    assert _closed_times(raffle) == (raffle.closed_at is not None)
