"""Background work: a task exists exactly if its transaction commits, a worker really runs it, and sweeps never stop."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Success
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from accounts.models import Notification
from accounts.notifications import notify
from accounts.tasks import deliver_notification
from luxewin.api.requests import RequestContext, current_request, enter_request
from luxewin.tasks import sweeps
from luxewin.tasks.checks import broker_shares_the_database
from luxewin.tasks.models import LATE, LONGEST_TASK, QUEUE, SILENCE, TIMED_OUT, Heartbeat, StartedTask
from luxewin.tasks.queue import enqueue
from luxewin.tasks.sweeps import Sweep, run_due_sweeps
from luxewin.tests.worker_processes import eventually, running_worker
from purchases.tests.stage import hold, over
from verification.models import Draw


class Undone(Exception):
    """Rolls a transaction back."""


def test_a_task_of_a_transaction_that_rolls_back_never_existed(db):
    with suppress(Undone), transaction.atomic():
        enqueue(deliver_notification, "1")
        assert OrmQ.objects.count() == 1
        raise Undone
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_is_seen_by_others_once_its_transaction_commits():
    def seen_elsewhere():
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM django_q_ormq")
                return cursor.fetchone()[0]
        finally:
            other.close()

    with transaction.atomic():
        enqueue(deliver_notification, "1")
        assert seen_elsewhere() == 0
    assert seen_elsewhere() == 1
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("accounts.tasks.deliver_notification", ("1",))


def test_a_queue_in_another_database_than_the_data_is_refused_at_the_start(settings):
    settings.Q_CLUSTER = {name: value for name, value in settings.Q_CLUSTER.items() if name != "orm"}
    assert [message.id for message in broker_shares_the_database()] == ["luxewin.E101"]


def test_a_sweep_that_raises_does_not_stop_the_others(monkeypatch, caplog):
    ran = []

    def broken():
        ran.append("broken")
        raise RuntimeError("no such row")

    monkeypatch.setattr(sweeps, "SWEEPS", [Sweep(broken, 0), Sweep(lambda: ran.append("good"), 0)])
    run_due_sweeps()
    run_due_sweeps()
    assert ran == ["broken", "good"] * 2
    assert "sweep broken failed" in caplog.text
    assert "no such row" in caplog.text


def test_a_sweep_runs_as_often_as_it_asked_for(monkeypatch):
    ran = []
    registered = [Sweep(lambda: ran.append("often"), 0), Sweep(lambda: ran.append("once"), 60)]
    monkeypatch.setattr(sweeps, "SWEEPS", registered)
    for _ in range(3):
        run_due_sweeps()
    assert (ran.count("often"), ran.count("once")) == (3, 1)


def test_every_room_has_its_sweeps_registered():
    names = {f"{entry.run.__module__}.{entry.run.__name__}" for entry in sweeps.SWEEPS}
    assert names >= {
        "accounts.tasks.deliver_waiting_notifications",
        "accounts.tasks.requeue_dropped_notifications",
        "raffles.tasks.close_due_raffles",
        "purchases.tasks.expire_overdue_purchases",
        "purchases.tasks.carry_out_open_refunds",
        "purchases.tasks.follow_slow_refunds",
        "purchases.tasks.take_up_news",
        "purchases.tasks.look_for_missed_events",
        "purchases.tasks.bring_mirrors_up",
        "purchases.tasks.compare_books",
        "purchases.tasks.try_unstored_events",
        "purchases.tasks.resume_cancelled_raffles",
        "verification.tasks.advance_unfinished_draws",
    }


def test_the_probe_wants_a_recent_beat_of_some_worker(db):
    with pytest.raises(RuntimeError, match=r"manage\.py worker"):
        Heartbeat.probe()
    Heartbeat.beat("a")
    Heartbeat.beat("a")
    Heartbeat.probe()
    Heartbeat.objects.update(at=timezone.now() - SILENCE - timedelta(seconds=1))
    with pytest.raises(RuntimeError, match="no task went through a worker for 30 s"):
        Heartbeat.probe()
    Heartbeat.beat("b")
    Heartbeat.probe()
    assert Heartbeat.objects.count() == 2


def test_the_probe_tells_how_late_the_queue_is(db):
    Heartbeat.beat("a")
    enqueue(deliver_notification, "1")
    OrmQ.objects.update(lock=Now() - LATE + timedelta(seconds=10))
    Heartbeat.probe()
    OrmQ.objects.update(lock=Now() - timedelta(seconds=90))
    with pytest.raises(RuntimeError, match=r"the oldest task has waited for 9[0-9] s"):
        Heartbeat.probe()
    # A claimed one is being worked on, and the heartbeat of a worker that is gone is nobody's work.
    OrmQ.objects.update(lock=Now() + timedelta(seconds=90))
    OrmQ.objects.create(key="luxewin@gone:1", payload="", lock=Now() - timedelta(hours=1))
    Heartbeat.probe()


def test_a_task_is_claimed_once_and_by_the_clock_of_the_database(db, monkeypatch):
    for number in range(2):
        enqueue(deliver_notification, str(number))
    # A process whose own clock is an hour late fetches all the same.
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) - timedelta(hours=1))
    broker = get_broker()
    claimed = [broker.dequeue() for _ in range(3)]
    assert [SignedPackage.loads(payload)["args"] for ((_, payload),) in claimed[:2]] == [("0",), ("1",)]
    assert claimed[2] is None
    assert OrmQ.objects.filter(lock__gt=Now() + timedelta(seconds=settings.Q_CLUSTER["retry"] - 60)).count() == 2


def test_a_task_that_began_too_often_without_an_end_is_not_handed_out(db, caplog):
    enqueue(deliver_notification, "1")
    task = OrmQ.objects.get().task
    starts = [StartedTask.begin(task, "worker") for _ in range(StartedTask.LIMIT - 1)]
    broker = get_broker()
    ((number, _),) = broker.dequeue()
    broker.acknowledge(number)
    starts.append(StartedTask.begin(task, "worker"))
    enqueue(deliver_notification, "1")
    enqueue(deliver_notification, "2")
    assert broker.dequeue() is None
    assert "killed its worker or ran out of time too often" in caplog.text
    ((_, payload),) = broker.dequeue()
    assert SignedPackage.loads(payload)["args"] == ("2",)
    # One of them comes to its end after all.
    StartedTask.end(task | {"success": True}, starts[-1])
    enqueue(deliver_notification, "1")
    assert broker.dequeue()


def test_a_task_that_always_runs_out_of_time_is_not_handed_out_in_the_end(db):
    Heartbeat.beat("a")
    enqueue(deliver_notification, "1")
    task = OrmQ.objects.get().task
    late = task | {"success": False, "result": f"Task exceeded … : {TIMED_OUT}: Task exceeded …"}
    refused = task | {"success": False, "result": "httpcore.ReadTimeout: no answer"}
    for _ in range(StartedTask.TIMEOUT_LIMIT):
        # A task that raises, as one does whose outside party does not answer, starts from scratch.
        StartedTask.end(refused, StartedTask.begin(task, "worker"))
    assert not StartedTask.objects.exists()
    for _ in range(StartedTask.TIMEOUT_LIMIT):
        Heartbeat.probe()
        StartedTask.end(late, StartedTask.begin(task, "worker"))
    assert not StartedTask.objects.running("worker")
    assert get_broker().dequeue() is None
    with pytest.raises(RuntimeError, match=r"1 tasks are stopped.*deliver_notification"):
        Heartbeat.probe()
    call_command("retry_stopped_tasks")
    enqueue(deliver_notification, "1")
    assert get_broker().dequeue()


def test_the_end_of_a_task_forgets_what_died_before_and_not_what_runs_beside(db):
    task = {"func": "a.task", "args": ("1",), "kwargs": {}, "name": "task('1')"}
    _died, beside, own = (StartedTask.begin(task, "worker") for _ in range(3))
    other = StartedTask.begin(task | {"args": ("2",)}, "worker")
    StartedTask.objects.filter(pk=_died).update(started_at=Now() - LONGEST_TASK)
    StartedTask.end(task | {"success": True}, own)
    assert set(StartedTask.objects.values_list("pk", flat=True)) == {beside, other}
    assert StartedTask.objects.running("worker").count() == 2


@pytest.mark.django_db(transaction=True)
def test_only_a_task_without_a_sweep_is_tried_again_after_a_failure():
    enqueue(deliver_notification, "1")
    enqueue(deliver_notification, "2", is_swept=True)
    assert [row.task["ack_failure"] for row in OrmQ.objects.order_by("pk")] == [False, True]


def test_sweeps_stop_at_a_database_that_is_away_and_are_due_at_once_when_it_is_back(monkeypatch):
    """Without the mark of a database test no query is allowed: each sweep that asked would log a trace."""
    entry = Sweep(lambda: None, 60)

    def away():
        raise OperationalError("connection refused")

    entry.run = away
    monkeypatch.setattr(sweeps, "SWEEPS", [entry])
    monkeypatch.setattr(sweeps, "connection", SimpleNamespace(is_usable=lambda: False))
    for _ in range(2):
        with pytest.raises(OperationalError):
            run_due_sweeps()


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_tasks_and_sweeps_and_ends_within_seconds_of_sigterm(alice, bob, on_sale):
    raffle = on_sale()
    purchase = hold(bob, raffle)
    type(purchase).objects.update(expires_at=timezone.now())
    money = {"amount": 500, "currency": "gbp"}
    notify(alice, "purchase_refunded", about=purchase.pk, raffle=raffle.title, reason="A test.", **money)
    over(raffle)
    with running_worker() as worker:
        # A queued task: the mail goes out. Sweeps: the hold ends, the raffle closes, its draw is void without a ticket.
        assert eventually(lambda: Notification.objects.mails().filter(status="accepted").exists())
        assert eventually(lambda: Draw.objects.filter(state=Draw.State.VOID).exists())
        purchase.refresh_from_db()
        assert purchase.status == "expired"
        assert eventually(lambda: not OrmQ.objects.filter(key=QUEUE).exists())
        Heartbeat.probe()
        family = worker.main.children(recursive=True)
        assert family
        worker.main.terminate()
        assert worker.wait() == 0
        assert not psutil.wait_procs(family, 30)[1]
    assert Success.objects.filter(func="accounts.tasks.deliver_notification").count() == 1


def note_request_id() -> str:
    """What a task is logged and audited under."""
    return current_request().request_id


@pytest.mark.django_db
def test_a_task_works_under_the_id_of_the_request_that_enqueued_it():
    enter_request(RequestContext("of-a-request"))
    try:
        asked = async_task(note_request_id, sync=True)
    finally:
        enter_request(RequestContext())
    later = async_task(note_request_id, sync=True)
    assert (Success.objects.get(pk=asked).result, Success.objects.get(pk=later).result) == ("of-a-request", "")
    assert current_request() == RequestContext()
