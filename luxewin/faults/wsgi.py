"""Faults room: the product's server with switches, for `granian luxewin.faults.wsgi:application`."""

from luxewin.faults.switches import install
from luxewin.wsgi import application

__all__ = ["application"]

install("web")
