"""Requests to the server's applications without a socket."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from luxewin.server.connection import Connection
from luxewin.server.front import Front
from luxewin.server.lanes import Lane

type Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


BODY_LIMIT = 1_000


def front_of(
    application: Wsgi, *, threads: int = 1, waiting: int = 100, body_limit: int = BODY_LIMIT, **more: Any
) -> Front:
    """A front with one lane for all requests."""
    lanes = [Lane("all", ("",), threads, waiting)]
    return Front(application, threads=threads, lanes=lanes, body_limit=body_limit, **more)


class Wire:
    """A connection that keeps what it is sent; `takes` bytes of a large answer and then no more."""

    def __init__(self, *parts: bytes, takes: int = 10**12) -> None:
        self.parts, self.takes = list(parts), takes
        self.sent: list[dict[str, Any]] = []
        self.aborted = False

    async def receive(self) -> dict[str, Any]:
        if not self.parts:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def send(self, message: dict[str, Any]) -> None:
        self.takes -= len(message.get("body", b""))
        if self.takes < 0:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def drained(self) -> None:
        """All of it is taken at once."""

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def is_sending(self) -> bool:
        return len(self.parts) > 1

    def no_write_buffer(self) -> Any:
        return nullcontext()

    @property
    def status(self) -> int:
        return self.sent[0]["status"]  # type: ignore[no-any-return]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return {name.lower(): value for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)


def scope_of(
    wire: Wire,
    method: str = "GET",
    path: bytes = b"/",
    query: bytes = b"a=%20",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> dict[str, Any]:
    """A request as uvicorn gives it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "scheme": "http",
        "client": ("203.0.113.9", 4711),
        "server": ("127.0.0.1", 8000),
        "headers": list(headers),
        "extensions": {Connection.EXTENSION: wire},
    }
