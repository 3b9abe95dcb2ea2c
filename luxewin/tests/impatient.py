"""The product's server with short times, and a path that takes long: `python -m luxewin.tests.impatient --port …`."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dev.faults.slow_clients import Application, with_large_answer
from luxewin.server import connection, processes

SLOW = "/slow/"


def application_of(django: Application) -> Application:
    """Django, but for `/slow/SECONDS?FILE`, which touches the file first, and a large answer."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(SLOW):
            return answering(environ, start_response)
        if environ["QUERY_STRING"]:
            Path(environ["QUERY_STRING"]).touch()
        time.sleep(float(path.removeprefix(SLOW)))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"slept"]

    answering = with_large_answer(django)
    return application


if __name__ == "__main__":
    connection.HEAD_SECONDS, connection.LINGER_SECONDS = 3.0, 1.0
    connection.CLOSE_SECONDS = 2.0
    processes.STOP_SECONDS = 7
    processes.main(sys.argv[1:], application="luxewin.tests.impatient_asgi:application")
