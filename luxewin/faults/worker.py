"""Faults room: the product's worker with switches, `python -m luxewin.faults.worker`."""

import os

import django
from django.core.management import call_command

from luxewin.faults.switches import install

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")
    django.setup()
    # The cluster forks: its processes have the switches from here.
    install("worker")
    call_command("worker")
