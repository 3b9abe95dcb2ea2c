"""A worker is judged by tasks that go through it: none of its processes is killed, stopped or orphaned unnoticed."""

import math
import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django_q.models import Failure, OrmQ, Success
from django_q.tasks import async_task

from dev.faults.cluster import KINDS
from luxewin.tasks.models import QUEUE, Heartbeat, StartedTask
from luxewin.tasks.queue import enqueue
from luxewin.tests.worker_processes import (
    DEATHS,
    SILENCE_SECONDS,
    TIMEOUTS,
    RunningWorker,
    Wire,
    eventually,
    running_worker,
    running_workers,
)

pytestmark = pytest.mark.django_db(transaction=True)
ENDED = 1


def a_task_goes_through(seconds: float = 120) -> bool:
    """Any task, in any worker."""
    before = Success.objects.count()
    enqueue(math.floor, 1)
    return eventually(lambda: Success.objects.count() > before, seconds)


def works(worker: RunningWorker) -> bool:
    """Whether heartbeats go through this very worker: the first that is noted from now on may have run before."""
    return eventually(beating(worker), 120)


def beating(worker: RunningWorker) -> Callable[[], bool]:
    """Tells whether enough heartbeats were noted since this call."""
    seen = set(Heartbeat.objects.filter(name=worker.heartbeat).values_list("at", flat=True))

    def several() -> bool:
        seen.update(Heartbeat.objects.filter(name=worker.heartbeat).values_list("at", flat=True))
        return len(seen) > 2

    return several


def ended_or_works(worker: RunningWorker) -> bool:
    several = beating(worker)
    return eventually(lambda: worker.code() is not None or several())


def is_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, 60)[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_no_killed_or_stopped_process_freezes_a_worker(number):
    """A worker for each kind of process, side by side: it works on with that process replaced, or ends by itself."""
    with running_workers(len(KINDS)) as started:
        workers = dict(zip(KINDS, started, strict=True))
        families = {kind: worker.processes() for kind, worker in workers.items()}
        assert all(works(worker) for worker in started)
        for kind in KINDS:
            families[kind][kind].send_signal(number)
        for kind, worker in workers.items():
            assert ended_or_works(worker), f"frozen since the {kind} was hit"
            if (code := worker.code()) is not None:
                assert code == (-signal.SIGKILL if kind == "main" else ENDED)
                assert is_gone(list(families[kind].values())), f"somebody outlived the worker whose {kind} was hit"
        # These can neither be replaced nor done without.
        assert all(workers[kind].code() is not None for kind in ("sentinel", "main"))


def test_a_stop_signal_ends_all_processes_in_order():
    numbers = (signal.SIGTERM, signal.SIGHUP)
    with running_workers(len(numbers)) as workers:
        families = [worker.processes() for worker in workers]
        assert all(works(worker) for worker in workers)
        for worker, number in zip(workers, numbers, strict=True):
            worker.main.send_signal(number)
        assert [worker.wait() for worker in workers] == [0, 0]
        assert all(is_gone(list(family.values())) for family in families)


def test_a_stop_is_bounded_while_the_database_hangs_and_redis_is_away(closed_port):
    with Wire() as wire, running_worker(wire.port, REDIS_URL=f"redis://127.0.0.1:{closed_port}/0") as worker:
        family = worker.processes()
        assert works(worker)
        wire.hang()
        assert eventually(lambda: wire.held >= 2)
        worker.main.terminate()
        # In order if nothing that has to end first waits for the database just then.
        assert worker.wait() in {0, ENDED}
        assert is_gone(list(family.values()))


def test_a_worker_waits_for_a_database_that_is_away_with_a_line_now_and_then():
    with Wire() as wire, running_worker(wire.port) as worker:
        family = worker.processes()
        assert works(worker)
        wire.cut()
        assert not eventually(lambda: worker.code() is not None, SILENCE_SECONDS + 5)
        lines = worker.log.splitlines()
        assert "Traceback (most recent call last):" not in lines
        assert len(lines) < 20, lines
        wire.mend()
        assert works(worker)
        assert worker.processes() == family
        worker.main.terminate()
        assert worker.wait() == 0


def test_a_task_that_kills_its_worker_or_runs_out_of_time_is_stopped_and_others_go_through(monkeypatch):
    monkeypatch.setattr(StartedTask, "LIMIT", DEATHS)
    monkeypatch.setattr(StartedTask, "TIMEOUT_LIMIT", TIMEOUTS)
    with running_worker() as worker:
        for _ in range(DEATHS + 3):
            enqueue(os.abort)
        for _ in range(TIMEOUTS + 3):
            async_task(time.sleep, 600, task_name="sleep(600)", timeout=1, ack_failure=True)
        assert eventually(lambda: StartedTask.objects.stopped() == ["abort()", "sleep(600)"])
        assert eventually(lambda: "abort() killed its worker" in worker.log and "sleep(600) killed" in worker.log)
        assert a_task_goes_through()
        with pytest.raises(RuntimeError, match=r"2 tasks are stopped.*abort.*sleep"):
            Heartbeat.probe()
    call_command("retry_stopped_tasks")
    assert StartedTask.objects.stopped() == []


def test_a_task_that_fails_is_not_counted_as_one_that_kills():
    with running_worker() as worker:
        enqueue(math.sqrt, -1)
        assert eventually(lambda: Failure.objects.filter(func="math.sqrt").exists())
        assert works(worker)
        assert eventually(lambda: not StartedTask.objects.exists())
        # No sweep enqueues it again: it waits in the queue for another try.
        assert OrmQ.objects.filter(key=QUEUE, lock__gt=Now()).count() == 1
