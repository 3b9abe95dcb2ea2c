"""The product with switches and a large answer, for `dev.faults.server`."""

from dev.faults.slow_clients import with_large_answer
from dev.faults.switches import install
from luxewin import asgi

install("web")
asgi.front.application = with_large_answer(asgi.front.application)
application = asgi.application
