"""The product's server with short times, and a path that takes long: `python -m luxewin.tests.impatient --port …`."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from luxewin.server import connection, processes

SLOW = "/slow/"
LARGE = "/large"
LARGE_BYTES = 6_000_000


def application_of(django: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Django, but for `/slow/SECONDS?FILE`, which touches the file first, and `/large`, which no buffer holds."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(SLOW):
            if environ["QUERY_STRING"]:
                Path(environ["QUERY_STRING"]).touch()
            time.sleep(float(path.removeprefix(SLOW)))
        elif path != LARGE:
            return django(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 1_000_000] * (LARGE_BYTES // 1_000_000) if path == LARGE else [b"slept"]

    return application


if __name__ == "__main__":
    connection.HEAD_SECONDS, connection.LINGER_SECONDS = 3.0, 1.0
    connection.CLOSE_SECONDS = 2.0
    processes.STOP_SECONDS = 7
    processes.main(sys.argv[1:], application="luxewin.tests.impatient_asgi:application")
