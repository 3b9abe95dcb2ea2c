"""Background work: a task exists exactly if its transaction commits, a worker really runs it, and sweeps never stop."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import quote

import psutil
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ, Success

from accounts.models import Notification
from accounts.notifications import notify
from accounts.tasks import deliver_notification
from luxewin.tasks import sweeps
from luxewin.tasks.checks import broker_shares_the_database
from luxewin.tasks.models import SILENCE, Heartbeat
from luxewin.tasks.queue import enqueue
from luxewin.tasks.sweeps import Sweep, run_due_sweeps
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
    with pytest.raises(RuntimeError, match="no worker"):
        Heartbeat.probe()
    Heartbeat.beat("b")
    Heartbeat.probe()
    assert Heartbeat.objects.count() == 2


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py worker` on this test's database."""
    values = settings.DATABASES["default"]
    login = f"{quote(values['USER'])}:{quote(values['PASSWORD'])}@{values['HOST']}:{values['PORT']}"
    environment = os.environ | {"DATABASE_URL": f"postgres://{login}/{connection.settings_dict['NAME']}"}
    command = [sys.executable, "manage.py", "worker"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        for each in [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []:
            each.kill()
        process.wait()


def eventually(true: Callable[[], bool], seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not (answer := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_tasks_and_sweeps_and_ends_within_seconds_of_sigterm(alice, bob, on_sale):
    raffle = on_sale()
    purchase = hold(bob, raffle)
    type(purchase).objects.update(expires_at=timezone.now())
    money = {"amount": 500, "currency": "gbp"}
    notify(alice, "purchase_refunded", about=purchase.pk, raffle=raffle.title, reason="A test.", **money)
    over(raffle)
    with worker() as process:
        # A queued task: the mail goes out. Sweeps: the hold ends, the raffle closes, its draw is void without a ticket.
        assert eventually(lambda: Notification.objects.filter(status="sent").exists())
        assert eventually(lambda: Draw.objects.filter(state=Draw.State.VOID).exists())
        purchase.refresh_from_db()
        assert purchase.status == "expired"
        assert eventually(lambda: not OrmQ.objects.exists())
        Heartbeat.probe()
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.terminate()
        assert process.wait(30) == 0
        assert not psutil.wait_procs(family, 30)[1]
    assert Success.objects.filter(func="accounts.tasks.deliver_notification").count() == 1
