"""Clients that send or read as slowly as they can, and the time that all others wait meanwhile."""

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import httpx

TRICKLE_SECONDS = 1.0
HEADERS = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
# Two answers too large for any buffer: a file, which the server sends directly, and one that the application makes.
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
LARGE_ANSWER = "/large"
LARGE_BYTES = 6_000_000
#: What each kind sends first, and what it sends each second after.
KINDS: dict[str, tuple[bytes, bytes]] = {
    "head": (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"),
    "body": (f"POST /api/v1/auth/refresh HTTP/1.1\r\n{HEADERS}Content-Length: 1000\r\n\r\n{{".encode(), b""),
    "chunks": (
        f"POST /nowhere HTTP/1.1\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode(),
        b"1\r\n \r\n",
    ),
    "reader": (f"GET {{large}} HTTP/1.1\r\n{HEADERS}\r\n".encode(), b""),
}


type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_large_answer(application: Application) -> Application:
    """Wrap the WSGI application, so that it also answers LARGE_ANSWER with a large body."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != LARGE_ANSWER:
            return application(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 1_000_000] * (LARGE_BYTES // 1_000_000)

    return call


class SlowClients:
    """`count` connections of one kind, held open while entered; those that the server closes are reopened."""

    def __init__(self, port: int, kind: str, count: int, *, large: str = LARGE_ANSWER) -> None:
        """Prepare the connections; `large` is what readers ask for."""
        self.port, self.count = port, count
        self.first, self.then = KINDS[kind]
        self.reads = kind == "reader"
        self.first = self.first.replace(b"{large}", large.encode())
        self.closed = 0
        self._over = threading.Event()
        self._all_are_there = threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._all_are_there.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _hold(self) -> None:
        connections = [self._open() for _ in range(self.count)]
        self._all_are_there.set()
        while not self._over.wait(TRICKLE_SECONDS):
            for place, connection in enumerate(connections):
                if not self._trickle(connection):
                    connection.close()
                    self.closed += 1
                    connections[place] = self._open()
        for connection in connections:
            connection.close()

    def _open(self) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(self.first)
        connection.setblocking(False)
        return connection

    def _trickle(self, connection: socket.socket) -> bool:
        """Send or read a byte or two; return False if the server closed, or answered an incomplete request."""
        try:
            if self.then:
                connection.send(self.then)
            # What arrived before the end can still be read after it.
            is_reset = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return bool(connection.recv(1)) and self.reads and not is_reset
        except BlockingIOError:
            return True
        except OSError:
            return False


def waits(urls: Sequence[str], *, seconds: float, clients: int = 4) -> list[float]:
    """Return the seconds that each of these requests took, sorted; `clients` ask at once, each by new connections.

    Raises httpx.HTTPError, and so does an answer of 500 and above.
    """

    # Loading the certificate authorities takes longer than a request.
    trusted = ssl.create_default_context()

    def ask(client: int) -> list[float]:
        found = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for url in urls:
                started = time.monotonic()
                with httpx.Client(timeout=60, verify=trusted) as http:
                    if (answer := http.get(url)).is_server_error:
                        answer.raise_for_status()
                found.append(time.monotonic() - started)
        return found

    with ThreadPoolExecutor(clients) as pool:
        return sorted(wait for each in pool.map(ask, range(clients)) for wait in each)


def p99(sorted_waits: Sequence[float]) -> float:
    """Return the wait that 99 of 100 did not exceed."""
    return sorted_waits[math.ceil(len(sorted_waits) * 0.99) - 1]
