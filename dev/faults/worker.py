"""The product's worker with switches, `python -m dev.faults.worker`."""

import os

import django
from django.core.management import call_command

from dev.faults.switches import install

FEW = 2  # people told of a draw in one transaction, so that a handful are several batches
REPEAT_SECONDS = 60  # after which the queue gives a dead worker's tasks out again; in production 600


def _shorten() -> None:
    """Shorten what would make a run long."""
    from django_q.conf import Conf

    from verification import announcements

    announcements.BATCH = FEW
    Conf.RETRY = REPEAT_SECONDS


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")
    django.setup()
    _shorten()
    # The cluster forks: its processes have the switches from here.
    install("worker")
    call_command("worker")
