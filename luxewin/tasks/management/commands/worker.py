"""`manage.py worker`: a django-q2 cluster and the timer that feeds it, in one process tree."""

import logging
import time
from typing import Any

from django.core.checks import run_checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections, connection
from django_q.cluster import Cluster

from luxewin.tasks.models import Heartbeat
from luxewin.tasks.sweeps import run_due_sweeps

log = logging.getLogger(__name__)
TICK_SECONDS = 0.5
BEAT_SECONDS = 5
# Checks that ask outside parties, which no command runs by itself.
OUTSIDE_CHECKS = ["stripe"]


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; as many of these as wanted, on as many machines."""

    help = "Runs background work: closing, freezing, drawing, notifying, expiring holds."

    def handle(self, *args: Any, **options: Any) -> None:
        """Starts the cluster, then goes round every TICK_SECONDS."""
        # The cluster forks: no connection may be open here when it does.
        Heartbeat.forget_old()
        connection.close()
        cluster = Cluster()
        cluster.start()
        _report_outside_checks()
        beat_at = 0.0
        while not cluster.has_stopped:
            if not cluster.sentinel.is_alive():
                raise CommandError("The cluster died; start the worker again.")
            try:
                if time.monotonic() >= beat_at:
                    Heartbeat.beat(f"{cluster.host}:{cluster.pid}")
                    beat_at = time.monotonic() + BEAT_SECONDS
                run_due_sweeps()
            except DatabaseError as error:
                log.error("the timer cannot reach the database, trying again: %s", error)  # noqa: TRY400 no news in the trace
            close_old_connections()
            time.sleep(TICK_SECONDS)


def _report_outside_checks() -> None:
    """Says in the log what is wrong; the worker works all the same."""
    try:
        faults = run_checks(tags=OUTSIDE_CHECKS, include_deployment_checks=True, databases=["default"])
    except DatabaseError as error:
        log.error("the outside checks cannot be run: %s", error)  # noqa: TRY400 no news in the trace
        return
    for fault in faults:
        log.log(fault.level, "%s %s", fault, fault.hint or "")
