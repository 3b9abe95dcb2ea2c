"""A process's ready answers with a stand-in for Django behind them, and the time in which they grow old."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core.cache import caches

from luxewin.api.public_reads import FRESH
from luxewin.server import held_answers, public_answers
from luxewin.server.public_answers import PublicAnswers
from luxewin.tests.wires import Wire, front_of, scope_of

LIST, HOST = b"/api/v1/raffles/list", (b"host", b"shop.example")


class Backend:
    """Stands in for Django: counts its calls and keeps their environments."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.status, self.cache_control, self.size = "200 OK", FRESH, 0
        self.headers: list[tuple[str, str]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        number = len(self.seen)
        assert self.may_go.wait(60)
        common = [("Content-Type", "application/json"), ("Vary", "origin"), ("X-Request-ID", f"of-call-{number}")]
        start_response(self.status, [*common, ("Cache-Control", self.cache_control), *self.headers])
        return [json.dumps({"call": number}).encode() + b" " * self.size]


class Clock:
    """The time of the answers, which stands still until it is moved; Redis forgets what it would have."""

    def __init__(self) -> None:
        # Beyond what the machine's own says, however long it has been up: whatever still reads that one is found.
        self.now = 1e9

    def monotonic(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
        caches["default"].clear()


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.may_go.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (public_answers, held_answers):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def answers(backend: Backend) -> PublicAnswers:
    return process(backend)


def process(backend: Backend, most_bytes: int = 10**7) -> PublicAnswers:
    """What one web process has."""
    return PublicAnswers(front_of(backend, threads=30), most_bytes=most_bytes)


async def get(
    application: PublicAnswers,
    *headers: tuple[bytes, bytes],
    path: bytes = LIST,
    query: bytes = b"",
    method: str = "GET",
) -> Wire:
    wire = Wire()
    named = headers if any(name == b"host" for name, _ in headers) else (HOST, *headers)
    await application(scope_of(wire, method, path, query, named), wire.receive, wire.send)
    return wire


def ask(application: PublicAnswers, *headers: tuple[bytes, bytes], **asked: Any) -> Wire:
    return asyncio.run(get(application, *headers, **asked))


def crowd(*applications: PublicAnswers, size: int = 20) -> list[Wire]:
    async def all_at_once() -> list[Wire]:
        asked = [get(application) for application in applications for _ in range(size)]
        return await asyncio.gather(*asked)

    return asyncio.run(all_at_once())


def without_id(wire: Wire) -> dict[bytes, bytes]:
    return {name: value for name, value in wire.headers.items() if name != b"x-request-id"}
