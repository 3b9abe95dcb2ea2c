"""The product with switches, as `dev.faults.server` serves it."""

from dev.faults.switches import install
from luxewin.asgi import application

__all__ = ["application"]

install("web")
