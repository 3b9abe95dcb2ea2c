"""The product with switches and a large answer, for `dev.faults.server`."""

from dev.faults.slow_clients import with_large_answer
from dev.faults.switches import install
from luxewin.asgi import application

__all__ = ["application"]

install("web")
application.application = with_large_answer(application.application)
