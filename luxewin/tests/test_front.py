"""What stands between connections and threads: a request becomes a WSGI call when all of it is here."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from luxewin.api.requests import ASKED_FIRST
from luxewin.server import front
from luxewin.server.spool import MEMORY_BYTES
from luxewin.tests.wires import BODY_LIMIT, Wire, Wsgi, front_of, scope_of


def _ask(application: Wsgi, wire: Wire, *, threads: int = 2, ask_first: tuple[str, ...] = (), **scope: Any) -> Wire:
    made = front_of(application, threads=threads, ask_first=ask_first)
    asyncio.run(made(scope_of(wire, **scope), wire.receive, wire.send))
    return wire


def _echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen["body"] = environ["wsgi.input"].read().decode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [json.dumps(seen).encode()]


def test_the_environment_is_that_of_wsgi():
    headers = [
        *((b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"2.2.2.2"), (b"x_forwarded_for", b"6.6.6.6")),
        *((b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-type", b"text/plain")),
    ]
    seen = json.loads(_ask(_echo, Wire(), path=b"/caf%C3%A9/%FF", headers=headers).body)
    assert seen["PATH_INFO"] == "/caf\xc3\xa9/\xff"
    assert (seen["QUERY_STRING"], seen["REMOTE_ADDR"], seen["SCRIPT_NAME"]) == ("a=%20", "203.0.113.9", "")
    assert seen["HTTP_X_FORWARDED_FOR"] == "1.1.1.1,2.2.2.2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert (seen["CONTENT_TYPE"], "HTTP_CONTENT_TYPE" in seen) == ("text/plain", False)


@pytest.mark.parametrize("header", [(b"content-length", b"6"), (b"transfer-encoding", b"chunked")])
def test_a_body_comes_whole_with_its_length(header):
    wire = _ask(_echo, Wire(b"abc", b"", b"def"), method="POST", headers=[header])
    seen = json.loads(wire.body)
    assert (seen["body"], seen["CONTENT_LENGTH"], "HTTP_TRANSFER_ENCODING" in seen) == ("abcdef", "6", False)
    assert [value for name, value in wire.sent[0]["headers"] if name == b"Set-Cookie"] == [b"a=1", b"b=2"]
    assert wire.headers[b"content-length"] == str(len(wire.body)).encode()


def test_a_head_is_answered_without_the_body():
    touched: list[bool] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return (touched.append(True) or b"" for _ in range(1))

    wire = _ask(application, Wire(), method="HEAD")
    assert (wire.body, wire.headers[b"content-length"], touched) == (b"", b"5", [])


def test_an_answer_that_fails_half_way_is_an_error_and_not_half_an_answer():
    closed: list[bool] = []

    class Chunks:
        def __iter__(self) -> Any:
            yield b"x" * (MEMORY_BYTES + 1)
            raise RuntimeError("the rest is lost")

        def close(self) -> None:
            closed.append(True)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Chunks()

    wire = _ask(application, Wire())
    assert (wire.status, json.loads(wire.body)["code"], closed) == (500, "server_error", [True])


def _large(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "1")])  # a lie
    return [b"x" * 100_000] * 50


def test_a_large_answer_has_its_true_length_and_leaves_nothing_on_the_disk():
    wire = Wire()
    made = front_of(_large)
    asyncio.run(made(scope_of(wire), wire.receive, wire.send))
    assert (len(wire.body), wire.headers[b"content-length"]) == (5_000_000, b"5000000")
    made.answers.take(front.SPOOLED_ANSWERS)


def test_who_does_not_take_a_large_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(front, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(front, "BYTES_PER_SECOND", 10**9)
    assert _ask(_large, Wire(takes=1_000_000)).aborted


def test_a_body_that_stops_coming_is_answered_408(monkeypatch):
    monkeypatch.setattr(front, "GRACE_SECONDS", 0.1)
    wire = Wire(b"a", b"")
    wire.receive = asyncio.Event().wait  # type: ignore[assignment]
    _ask(_echo, wire, method="POST", headers=[(b"content-length", b"6")])
    assert (wire.status, wire.headers[b"connection"]) == (408, b"close")
    problem = json.loads(wire.body)
    assert (problem["code"], problem["request_id"]) == ("request_timeout", wire.headers[b"x-request-id"].decode())


@pytest.mark.parametrize(("path", "origin", "is_readable"), [
    (b"/api/v1/raffles/list", b"https://shop.example", True),
    (b"/api/v1/raffles/list", b"https://other.example", False),
    (b"/verify", b"https://shop.example", False),
])  # fmt: skip
def test_pages_of_the_front_end_can_read_a_refusal_and_when_to_come_again(path, origin, is_readable, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    may_go = threading.Event()
    wire = Wire()

    async def refuse() -> None:
        made = front_of(_after(may_go), waiting=0)
        first = Wire()
        working = asyncio.create_task(made(scope_of(first), first.receive, first.send))
        await asyncio.sleep(0)
        await made(scope_of(wire, path=path, headers=[(b"origin", origin)]), wire.receive, wire.send)
        may_go.set()
        await working

    asyncio.run(refuse())
    assert (wire.status, wire.headers[b"retry-after"]) == (503, b"2")
    if is_readable:
        assert wire.headers[b"access-control-allow-origin"] == origin
        assert wire.headers[b"access-control-allow-credentials"] == b"true"
        assert b"Retry-After" in wire.headers[b"access-control-expose-headers"]
    else:
        assert b"access-control-allow-origin" not in wire.headers


@pytest.mark.parametrize("header", [(b"content-length", b"1001"), (b"transfer-encoding", b"chunked")])
def test_what_is_too_long_is_not_read_and_the_application_says_so(header):
    from django.core.exceptions import RequestDataTooBig

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with pytest.raises(RequestDataTooBig):
            environ["wsgi.input"].read(10)
        assert int(environ["CONTENT_LENGTH"]) > BODY_LIMIT
        start_response("413 Too Large", [])
        return []

    wire = Wire(b"x" * 600, b"x" * 600, b"never read")
    _ask(application, wire, method="POST", headers=[header])
    assert (wire.status, wire.headers[b"connection"]) == (413, b"close")
    assert wire.parts[-1] == b"never read"


@pytest.mark.parametrize(("first", "status"), [("100 Continue", 200), ("404 Not Found", 404)])
def test_who_is_to_be_asked_first_decides_before_the_body_is_read(first, status):
    asked: list[bool] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.append(ASKED_FIRST in environ)
        start_response(first if ASKED_FIRST in environ else "200 OK", [])
        return [environ["wsgi.input"].read()]

    wire = Wire(b"body")
    _ask(application, wire, method="POST", path=b"/hook/1", ask_first=("/hook/",), headers=[(b"content-length", b"4")])
    assert wire.status == status
    assert (asked, wire.parts) == (([True, False], []) if status == 200 else ([True], [b"body"]))


def _after(may_go: threading.Event) -> Wsgi:
    """Answers once it may."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert may_go.wait(60)
        start_response("200 OK", [])
        return []

    return application


def test_more_than_may_wait_are_refused_before_they_are_read_and_the_others_served():
    may_go = threading.Event()
    length = [(b"content-length", b"2")]

    async def crowd() -> list[Wire]:
        made = front_of(_after(may_go), waiting=2)
        wires = [*(Wire(b"ab") for _ in range(4)), Wire(b"a", b"b")]
        asks = [made(scope_of(wire, "POST", headers=length), wire.receive, wire.send) for wire in wires]
        tasks = [asyncio.create_task(ask) for ask in asks]
        done, _ = await asyncio.wait(tasks[3:])
        assert len(done) == 2
        may_go.set()
        await asyncio.gather(*tasks)
        return wires

    wires = asyncio.run(crowd())
    assert [wire.status for wire in wires] == [200, 200, 200, 503, 503]
    assert wires[3].headers[b"retry-after"] == b"2"
    assert [wire.parts for wire in wires] == [[], [], [], [b"ab"], [b"a", b"b"]]
    # What is still to come would be taken for the next request.
    assert [wire.headers.get(b"connection") for wire in wires[3:]] == [None, b"close"]


def test_who_is_gone_before_its_turn_costs_no_work():
    wire = Wire()
    wire.aborted = True
    _ask(lambda environ, start_response: pytest.fail("it was called"), wire)
    assert wire.sent == []


def test_who_goes_while_a_large_answer_is_made_leaves_no_error_behind(caplog):
    wire = Wire()

    def make(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        wire.aborted = True
        return _large(environ, start_response)

    _ask(make, wire)
    assert (wire.sent, caplog.records) == ([], [])


def test_there_is_an_end_to_what_lies_on_the_disk(monkeypatch):
    monkeypatch.setattr(front, "SPOOLED_ANSWERS", 1_000_000)
    wire = _ask(_large, Wire())
    assert (wire.status, json.loads(wire.body)["code"]) == (503, "unavailable")


def _length(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def test_large_answers_that_nobody_takes_leave_room_for_bodies(monkeypatch):
    monkeypatch.setattr(front, "SPOOLED_ANSWERS", 200_000)
    made = front_of(_length, body_limit=1_000_000)
    made.answers.take(front.SPOOLED_ANSWERS)
    wire = Wire(b"a" * 300_000)
    asyncio.run(made(scope_of(wire, "POST", headers=[(b"content-length", b"300000")]), wire.receive, wire.send))
    assert (wire.status, wire.body) == (200, b"300000")
