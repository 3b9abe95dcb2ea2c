"""Faults room: the product with switches, as `luxewin.faults.server` serves it."""

from luxewin.asgi import application
from luxewin.faults.switches import install

__all__ = ["application"]

install("web")
