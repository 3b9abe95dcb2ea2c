"""`manage.py worker`: a django-q2 cluster and the timer that feeds it, in one process tree."""

import logging
import threading
import time
from typing import Any

from django.core.checks import run_checks
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from luxewin import clock
from luxewin.schema import refuse_older_schema
from luxewin.tasks.cluster import Worker, WorkerError

log = logging.getLogger(__name__)
CLOCK_SECONDS = 5.0  # between two checks of a wrong clock
# Checks that call outside parties or the database, which no command runs by itself.
OUTSIDE_CHECKS = ["stripe", "connections"]


class Command(BaseCommand):
    """Run until SIGTERM, SIGINT or SIGHUP; any number of workers, on any number of machines.

    Exit code 0 after an orderly stop. Exit code 1 when no task went through for a while, when a part hangs, or when it
    cannot stop in time: have it restarted.
    """

    help = "Runs background work: closing, freezing, drawing, notifying, expiring holds."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, also while the database is away; work starts once it is back. Exit by 1 on an older schema."""
        refuse_older_schema()
        _await_the_right_clock()
        worker = Worker()
        try:
            worker.start()
            threading.Thread(target=_report_outside_checks, name="outside checks", daemon=True).start()
            worker.watch()
        except WorkerError as error:
            log.critical("the worker ends: %s", error)
            raise CommandError(f"The worker ended: {error}") from error


def _await_the_right_clock() -> None:
    """Take no task while this process's clock is wrong; the log and the health of others report it."""
    while clock.is_off():
        time.sleep(CLOCK_SECONDS)
    # Close connections, because the worker forks.
    connections.close_all()


def _report_outside_checks() -> None:
    """Log what the checks find; the worker runs in any case."""
    try:
        faults = run_checks(tags=OUTSIDE_CHECKS, include_deployment_checks=True, databases=["default"])
    except Error as error:
        log.error("the outside checks cannot be run: %s", error)  # noqa: TRY400 no news in the trace
        return
    finally:
        connections.close_all()
    for fault in faults:
        log.log(fault.level, "%s %s", fault, fault.hint or "")
