"""Ready answers of public reads: one for everyone, a second old at most, and nothing of anybody's in them."""

import asyncio
import gzip
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.urls import URLPattern, URLResolver, get_resolver
from django_redis import get_redis_connection

from luxewin.api.public_reads import FOR_GOOD, FRESH, declaration_of
from luxewin.server import held_answers, public_answers
from luxewin.server.held_answers import Shared
from luxewin.server.lanes import Lane, Lanes
from luxewin.server.public_answers import PublicAnswers
from luxewin.tests.wires import Wire, front_of, scope_of

LIST, CSV, PAGE = b"/api/v1/raffles/list", b"/api/v1/verification/a/entries.csv", b"/verify"
HOST = (b"host", b"shop.example")
OURS = "https://luxewin.example"
Headers = Iterable[tuple[bytes, bytes]]


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
    return _process(backend)


def _process(backend: Backend, most_bytes: int = 10**7) -> PublicAnswers:
    """What one web process has."""
    return PublicAnswers(front_of(backend, threads=30), most_bytes=most_bytes)


async def _get(
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


def _ask(application: PublicAnswers, *headers: tuple[bytes, bytes], **asked: Any) -> Wire:
    return asyncio.run(_get(application, *headers, **asked))


# --- for a second, and once ------------------------------------------------------------------------------------------


def test_one_answer_is_everybody_s_for_a_second(answers, backend, clock):
    assert [json.loads(_ask(answers).body)["call"] for _ in range(3)] == [1, 1, 1]
    clock.move(0.99)
    assert json.loads(_ask(answers).body)["call"] == 1
    clock.move(0.01)
    assert json.loads(_ask(answers).body)["call"] == 2
    assert b"age" not in _ask(answers).headers


def test_its_second_begins_with_its_making(answers, backend, clock):
    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        clock.now += 0.8
        return backend(environ, start_response)

    answers.front.application = slow
    _ask(answers)
    clock.move(0.3)
    assert json.loads(_ask(answers).body)["call"] == 2


def test_what_never_changes_counts_for_good(answers, backend, clock):
    backend.cache_control = FOR_GOOD
    _ask(answers)
    clock.move(100_000)
    wire = _ask(answers)
    assert (json.loads(wire.body)["call"], wire.headers[b"cache-control"]) == (1, FOR_GOOD.encode())
    assert b"age" not in wire.headers


def _crowd(*applications: PublicAnswers, size: int = 20) -> list[Wire]:
    async def all_at_once() -> list[Wire]:
        asked = [_get(application) for application in applications for _ in range(size)]
        return await asyncio.gather(*asked)

    return asyncio.run(all_at_once())


@pytest.mark.parametrize("is_locked", [False, True])
def test_of_a_crowd_in_one_process_one_makes_the_answer(is_locked, answers, backend, monkeypatch):
    if not is_locked:  # the race is there
        monkeypatch.setattr(answers, "_making", _Forgetful())
        monkeypatch.setattr(Shared, "take", lambda *_: True)
    backend.may_go.clear()
    threading.Timer(0.3, backend.may_go.set).start()
    wires = _crowd(answers)
    assert {wire.status for wire in wires} == {200}
    assert (len(backend.seen) == 1) is is_locked


class _Forgetful(dict[Any, Any]):
    """Knows of no answer that is in the making."""

    def get(self, key: Any, default: Any = None) -> Any:
        return default


@pytest.mark.parametrize("is_locked", [False, True])
def test_of_all_processes_one_makes_the_answer(is_locked, backend, monkeypatch):
    if not is_locked:  # the race is there
        monkeypatch.setattr(Shared, "take", lambda *_: True)
    backend.may_go.clear()
    threading.Timer(0.3, backend.may_go.set).start()
    wires = _crowd(_process(backend), _process(backend), _process(backend), size=3)
    assert {wire.status for wire in wires} == {200}
    assert len(backend.seen) == (1 if is_locked else 3)


def test_an_answer_of_another_process_counts_no_longer_than_there(backend, clock, monkeypatch):
    one, other = _process(backend), _process(backend)
    _ask(one)
    monkeypatch.setattr(other.shared, "take", lambda *_: (one._held.popitem()[1].dump(), 0.25))
    first = _ask(other)
    monkeypatch.undo()
    monkeypatch.setattr(public_answers, "time", clock)
    monkeypatch.setattr(held_answers, "time", clock)
    clock.move(0.2)
    assert _ask(other).body == first.body
    clock.move(0.1)
    assert json.loads(_ask(other).body)["call"] == 2


def test_the_answer_of_another_process_is_the_same_to_the_byte(backend):
    backend.size = 5_000
    packed = (b"accept-encoding", b"gzip")
    one, other = _process(backend), _process(backend)
    for headers in ((), (packed,)):
        first, second = _ask(one, *headers), _ask(other, *headers)
        assert (first.body, _without_id(first)) == (second.body, _without_id(second))
    assert len(backend.seen) == 1


def _without_id(wire: Wire) -> dict[bytes, bytes]:
    return {name: value for name, value in wire.headers.items() if name != b"x-request-id"}


def test_another_process_that_died_over_an_answer_is_not_waited_for(answers, backend, monkeypatch):
    monkeypatch.setattr(public_answers, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(held_answers, "LEASE_SECONDS", 60)
    _ask(answers)
    (key,) = answers._held
    answers._held.clear()
    caches["default"].clear()
    Shared().take(key.name, "of the dead")
    assert json.loads(_ask(answers).body)["call"] == 2


# --- while something is away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["503 Service Unavailable", "500 Internal Server Error", "broken", "no thread"])
def test_while_none_can_be_made_the_last_good_one_stands_in_with_its_age(failure, answers, backend, clock, monkeypatch):
    _ask(answers)
    clock.move(42)
    if failure == "broken":
        monkeypatch.setattr(backend, "headers", 5)
    elif failure == "no thread":
        answers.front.lanes = Lanes(0, [Lane("all", ("",), 0, 0)])
    else:
        backend.status = failure
    wire = _ask(answers)
    assert (wire.status, json.loads(wire.body)["call"], wire.headers[b"age"]) == (200, 1, b"42")
    calls = len(backend.seen)
    _ask(answers)
    assert len(backend.seen) == calls  # not again within a second
    clock.move(1)
    _ask(answers)
    clock.move(300)
    assert _ask(answers).status != 200


def test_after_a_failure_the_next_good_one_counts_again(answers, backend, clock):
    _ask(answers)
    clock.move(2)
    backend.status = "503 Service Unavailable"
    assert b"age" in _ask(answers).headers
    clock.move(1)
    backend.status = "200 OK"
    wire = _ask(answers)
    assert (json.loads(wire.body)["call"], b"age" in wire.headers) == (3, False)


def test_who_would_wait_long_gets_the_last_good_one_at_once(answers, backend, monkeypatch):
    _ask(answers)
    monkeypatch.setattr(public_answers, "PATIENCE_SECONDS", 0.05)
    for held in answers._held.values():
        held.good_until = held.made_at
    caches["default"].clear()
    backend.may_go.clear()
    wires = _crowd_while_it_hangs(answers, backend)
    assert {(wire.status, wire.body) for wire in wires} == {(200, b'{"call": 1}')}
    assert len(backend.seen) == 2


def _crowd_while_it_hangs(application: PublicAnswers, backend: Backend) -> list[Wire]:
    async def all_at_once() -> list[Wire]:
        wires = await asyncio.gather(*(_get(application) for _ in range(5)))
        backend.may_go.set()
        await asyncio.gather(*(making.task for making in application._making.values()))
        return wires

    return asyncio.run(all_at_once())


def _redis_at(settings: Any, port: int) -> None:
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{port}/0"}
    }


def test_without_redis_each_process_makes_its_own(backend, settings, closed_port):
    _redis_at(settings, closed_port)
    one, other = _process(backend), _process(backend)
    assert [json.loads(_ask(each).body)["call"] for each in (one, one, other)] == [1, 1, 2]


def test_a_hung_redis_is_asked_once_in_a_while(answers, backend, clock, monkeypatch):
    asked: list[str] = []

    class Hung:
        def eval(self, *arguments: Any) -> None:
            asked.append(arguments[2])
            raise held_answers.RedisError("timed out")

    monkeypatch.setattr(held_answers, "get_redis_connection", lambda _: Hung())
    for _ in range(4):
        assert _ask(answers).status == 200
        clock.now += 1
    assert (len(asked), len(backend.seen)) == (1, 4)
    clock.now += 2
    _ask(answers)
    assert len(asked) == 2


def test_who_waits_for_redis_keeps_no_reader_s_turn(backend, monkeypatch):
    monkeypatch.setattr(public_answers, "LOOKS_AT_ONCE", 1)
    asked: list[str] = []
    is_asked, may_go = threading.Event(), threading.Event()

    def hang(self: Shared, name: str, token: str) -> bool:
        asked.append(name)
        is_asked.set()
        return may_go.wait(60)

    monkeypatch.setattr(Shared, "take", hang)
    application = PublicAnswers(front_of(backend, threads=1, waiting=0), most_bytes=10**7)

    async def meanwhile() -> list[Wire]:
        waiting = asyncio.create_task(_get(application, query=b"price_min=1"))
        await asyncio.to_thread(is_asked.wait, 60)
        other = await asyncio.wait_for(_get(application, query=b"price_min=2"), 30)
        may_go.set()
        return [other, await waiting]

    assert [wire.status for wire in asyncio.run(meanwhile())] == [200, 200]
    assert len(asked) == 1  # the other did not even ask: its turn to ask was taken


# --- nobody gets anybody's -------------------------------------------------------------------------------------------

FORGED = [
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-port", b"4443"),
    (b"x-forwarded-prefix", b"/evil"),
    (b"forwarded", b"host=evil.example;proto=https"),
    (b"x-original-url", b"/api/v1/users/profile"),
    (b"x-rewrite-url", b"/admin/"),
    (b"x-http-method-override", b"POST"),
    (b"x-script-name", b"/evil"),
    (b"accept-language", b"de"),
    (b"accept", b"application/json, text/html;q=0.5, */*;q=0.1"),
    (b"accept-encoding", b"gzip, evil"),
    (b"origin", b"https://evil.example"),
    (b"referer", b"https://evil.example/"),
    (b"user-agent", b"<script>"),
    (b"if-none-match", b'"x"'),
    (b"range", b"bytes=0-0"),
    (b"cookie", b"_ga=1; theme=dark"),
    (b"x-request-id", b"<script>alert(1)</script>"),
    (b"content-type", b"text/html"),
]


@pytest.mark.parametrize("header", FORGED, ids=lambda header: header[0].decode())
def test_no_header_gets_into_the_answer_of_others(header, answers, backend):
    _ask(_process(backend))
    caches["default"].clear()
    forged = _ask(answers, header)
    plain, poisoned = (
        {name: value for name, value in seen.items() if not name.startswith("wsgi.") and name != "HTTP_X_REQUEST_ID"}
        for seen in backend.seen
    )
    assert plain == poisoned
    assert (forged.status, _ask(answers).body) == (200, forged.body)
    assert len(backend.seen) == 2


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer x"),
        (b"authorization", b""),
        (b"cookie", b"sessionid=x"),
        (b"cookie", b"a=b; access=x"),
        (b"cookie", b"a=b;refresh =x"),
        (b"cookie", b"theme=dark; messages=x"),
        (b"accept", b"text/html"),
        (b"accept", b"application/json; indent=4"),
        (b"content-length", b"5"),
        (b"transfer-encoding", b"chunked"),
    ],
    ids=lambda header: b"=".join(header).decode(),
)
def test_who_may_be_known_or_asks_unusually_gets_their_own_and_leaves_nothing(header, answers, backend):
    _ask(answers)
    for method in ("GET", "HEAD"):
        wire = Wire(b"12345")
        asyncio.run(answers(scope_of(wire, method, LIST, b"", [HOST, header]), wire.receive, wire.send))
        assert wire.status == 200
        assert wire.headers[b"x-request-id"] == f"of-call-{len(backend.seen)}".encode()
    assert len(backend.seen) == 3
    assert json.loads(_ask(answers).body)["call"] == 1


def test_a_header_that_comes_twice_is_django_s(answers, backend):
    _ask(answers, HOST, (b"host", b"evil.example"))
    assert backend.seen[0]["HTTP_HOST"] == "shop.example,evil.example"
    assert answers._held == {}


def test_each_host_scheme_and_origin_that_may_read_has_its_own(answers, backend, settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    kinds: list[list[tuple[bytes, bytes]]] = [
        [],
        [(b"host", b"other.example")],
        [(b"origin", OURS.encode())],
        [(b"x-forwarded-proto", b"https")],
    ]
    for count, headers in enumerate(kinds, start=1):
        assert json.loads(_ask(answers, *headers).body)["call"] == count
        assert json.loads(_ask(answers, *headers).body)["call"] == count
    assert [seen.get("HTTP_ORIGIN") for seen in backend.seen] == [None, None, OURS, None]
    assert [seen["wsgi.url_scheme"] for seen in backend.seen] == ["http", "http", "http", "https"]


def test_in_clear_nothing_is_answered_from_it_where_tls_is_asked_for(answers, backend, settings):
    settings.SECURE_SSL_REDIRECT = True
    _ask(answers)
    _ask(answers)
    assert (len(backend.seen), answers._held) == (2, {})


@pytest.mark.parametrize(
    ("status", "cache_control", "headers"),
    [
        ("400 Bad Request", FRESH, []),  # as for a host that is not ours
        ("404 Not Found", FRESH, []),
        ("409 Conflict", FRESH, []),
        ("301 Moved Permanently", FRESH, []),
        ("200 OK", "no-store", []),
        ("200 OK", "private", []),
        ("200 OK", FRESH, [("Set-Cookie", "csrftoken=x")]),
    ],
)
def test_what_is_not_a_good_public_answer_is_not_kept(status, cache_control, headers, answers, backend):
    backend.status, backend.cache_control, backend.headers = status, cache_control, headers
    first, second = _ask(answers), _ask(answers)
    assert first.status == second.status == int(status[:3])
    assert first.headers[b"x-request-id"] != second.headers[b"x-request-id"]
    assert answers._held == {}


def test_a_refusal_of_one_who_asked_too_often_is_theirs_alone(answers, backend):
    backend.status = "429 Too Many Requests"

    def but_once(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chunks = backend(environ, start_response)
        backend.status = "200 OK"
        return chunks

    answers.front.application = but_once
    wires = _crowd(answers, size=5)
    assert sorted(wire.status for wire in wires) == [200, 200, 200, 200, 429]
    assert len(backend.seen) == 2


@pytest.mark.parametrize(
    "path",
    [
        *(
            b"/api/v1/users/profile",
            b"/api/v1/users/profile/x.css",
            b"/api/v1/users/me/x.css",
            b"/api/v1/purchases/list",
        ),
        *(b"/api/v1/purchases/list/x.css", b"/api/v1/raffles/list/x.css", b"/api/v1/raffles/list%2Fx.css"),
        *(b"/api/v1/raffles/list;x.css", b"/api/v1/raffles/a.css", b"/api/v1/raffles/../users/profile", b"//verify"),
        *(b"/admin/", b"/admin/x.css", b"/health/ready", b"/login", b"/api/v1/auth/sessions", b"/verify%00", b"/%ff"),
        b"/api/v1/verification/a/entries/00000000-0000-7000-8000-000000000000",
    ],
)
def test_no_other_address_is_ever_kept(path, answers, backend):
    _ask(answers, path=path)
    _ask(answers, path=path)
    assert (len(backend.seen), answers._held) == (2, {})


def _declared(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _declared(each.url_patterns, route)
        elif isinstance(each, URLPattern) and declaration_of(each.callback):
            yield each.name or route


def test_these_routes_and_no_others_are_public_reads():
    raffles, draws = ("collection", "list", "detail"), ("bundle", "entries-csv", "log", "log-heads", "log-proof")
    assert set(_declared(get_resolver().url_patterns)) == {
        *(f"raffles-{name}" for name in (*raffles, "categories")),
        *("shop-collection", "shop-list"),
        *(f"verification-{name}" for name in (*raffles, *draws)),
        *("draws", "draw", "verifier"),
    }


# --- what is kept, and how it is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"phase=open&category=car", b"category=car&phase=open"),
        (b"phase=open&phase=drawn", b"phase=drawn&phase=open&phase=open"),
        (b"order=ticket_price&order=-closes_at", b"order=-closes_at"),
        (b"order=on_sale&page_size=20&search=&price_min=", b""),
        (b"search=a%20b", b"search=a+b"),
        (b"search=%63ar", b"search=car"),
    ],
)
def test_one_question_in_several_writings_has_one_answer(one, other, answers, backend):
    assert _ask(answers, query=one).body == _ask(answers, query=other).body
    assert len(backend.seen) == 1


@pytest.mark.parametrize(
    "query", [b"a=1", b"phase=open&utm_source=x", b"Phase=open", b"phase[]=open", b"&".join([b"a=1"] * 1_001)]
)
def test_an_unknown_parameter_is_django_s_to_refuse(query, answers, backend):
    _ask(answers, query=query)
    assert backend.seen[0]["QUERY_STRING"] == query.decode()
    assert answers._held == {}


def test_a_page_takes_no_notice_of_unknown_parameters(answers, backend):
    for query in (b"", b"utm_source=x", b"fbclid=1"):
        assert json.loads(_ask(answers, path=PAGE, query=query).body)["call"] == 1
    _ask(answers, path=PAGE, query=b"page=2&utm_source=x")
    assert [seen["QUERY_STRING"] for seen in backend.seen] == ["", "page=2"]


def test_thousands_of_questions_fill_no_memory(backend, monkeypatch):
    monkeypatch.setattr(public_answers, "MOST_ANSWERS", 50)
    answers = _process(backend, most_bytes=200_000)
    backend.size = 1_000

    async def many() -> None:
        for number in range(300):
            await _get(answers, query=b"price_min=%d" % number)
            assert len(answers._held) <= 50
            assert answers.bytes == sum(held.size for held in answers._held.values()) <= 200_000

    asyncio.run(many())
    assert len(backend.seen) == 300
    _ask(answers, query=b"price_min=299")
    assert len(backend.seen) == 300


def test_what_is_asked_for_often_outlasts_what_is_not(backend):
    answers = _process(backend, most_bytes=10 * held_answers.OVERHEAD_BYTES)
    for number in range(30):
        _ask(answers)
        _ask(answers, query=b"price_min=%d" % number)
    assert len(backend.seen) == 31


def test_what_is_too_large_is_sent_and_not_kept(answers, backend):
    backend.size = held_answers.MOST_ANSWER_BYTES
    for number in (1, 2):
        wire = _ask(answers)
        assert (wire.status, json.loads(wire.body)["call"]) == (200, number)
    assert (answers._held, len(backend.seen)) == ({}, 2)


def test_a_head_is_answered_from_what_a_get_left_and_leaves_a_get(answers, backend):
    head = _ask(answers, method="HEAD")
    wire = _ask(answers)
    assert (head.body, json.loads(wire.body)["call"], len(backend.seen)) == (b"", 1, 1)
    assert _without_id(head) == _without_id(wire)
    assert backend.seen[0]["REQUEST_METHOD"] == "GET"


def test_compressed_and_plain_have_tags_of_their_own_and_are_unchanged_for_who_has_them(answers, backend):
    backend.size = 5_000
    packed = (b"accept-encoding", b"br, gzip;q=0.8")
    plain, small = _ask(answers), _ask(answers, packed)
    assert gzip.decompress(small.body) == plain.body
    assert (small.headers[b"content-encoding"], b"content-encoding" in plain.headers) == (b"gzip", False)
    assert plain.headers[b"vary"] == small.headers[b"vary"] == b"origin, Accept-Encoding"
    assert plain.headers[b"etag"] != small.headers[b"etag"]
    for form, further in ((plain, ()), (small, (packed,))):
        tag = form.headers[b"etag"]
        assert tag.startswith(b'"')
        for said in (tag, b"W/" + tag, b'"a", ' + tag + b', "b"', b"*"):
            unchanged = _ask(answers, (b"if-none-match", said), *further)
            assert (unchanged.status, unchanged.body, unchanged.headers[b"etag"]) == (304, b"", tag)
            assert unchanged.headers.keys() >= {b"cache-control", b"vary", b"x-request-id"}
            assert not unchanged.headers.keys() & {b"content-length", b"content-encoding", b"content-type"}
    assert _ask(answers, (b"if-none-match", small.headers[b"etag"])).status == 200
    assert len(backend.seen) == 1


@pytest.mark.parametrize("said", [b"", b"x", b'"', b'"x"', b"W/", b"\xff\x00", b"," * 30_000, b'"a' * 10_000, b"**"])
def test_a_garbage_tag_gets_a_plain_answer(said, answers, backend):
    _ask(answers)
    assert _ask(answers, (b"if-none-match", said)).status == 200
    assert len(backend.seen) == 1


def _calls(application: PublicAnswers, *headers: tuple[bytes, bytes]) -> int:
    """How many functions one request calls."""
    counted = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    async def one() -> None:
        sys.setprofile(note)
        try:
            await _get(application, *headers)
        finally:
            sys.setprofile(None)

    asyncio.run(one())
    return counted


def test_ten_thousand_forged_tags_cost_no_more_than_plain_requests(answers, backend, clock):
    _ask(answers)
    plain, before = _calls(answers), answers.bytes
    for forged in (b'"forged"', b", ".join(b'"%d"' % number for number in range(5_000))):
        assert _calls(answers, (b"if-none-match", forged)) <= plain + 2  # the strip, and what holds the tags up

    async def many() -> set[int]:
        return {(await _get(answers, (b"if-none-match", b'W/"%032x"' % number))).status for number in range(10_000)}

    assert asyncio.run(many()) == {200}
    assert (len(backend.seen), len(answers._held), answers.bytes) == (1, 1, before)


@pytest.mark.parametrize(
    ("said", "is_packed"),
    [
        *((b"gzip", True), (b"GZIP", True), (b"deflate, gzip;q=1.0, *;q=0.5", True), (b"gzip;q=0.001", True)),
        *((b"gzip;q=0", False), (b"gzip; q=0.000", False), (b"br", False), (b"x-gzipped", False), (b"", False)),
    ],
)
def test_only_who_takes_gzip_gets_it(said, is_packed, answers, backend):
    backend.size = 5_000
    assert (b"content-encoding" in _ask(answers, (b"accept-encoding", said)).headers) is is_packed


def test_each_request_has_an_id_of_its_own(answers, backend):
    ids = [_ask(answers).headers[b"x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert _ask(answers, (b"x-request-id", b"from-the-front-end.1")).headers[b"x-request-id"] == b"from-the-front-end.1"
    assert b"\n" not in _ask(answers, (b"x-request-id", b"12345678\n")).headers[b"x-request-id"]


def test_the_tag_that_a_view_gives_stays(answers, backend):
    backend.headers, backend.size = [("ETag", '"root"')], 5_000
    assert _ask(answers, path=CSV).headers[b"etag"] == b'"root"'
    assert _ask(answers, (b"accept-encoding", b"gzip"), path=CSV).headers[b"etag"] == b'"root-gzip"'


def test_rate_limits_count_the_client_and_the_log_has_its_id(answers, backend):
    _ask(answers, (b"x-forwarded-for", b"1.1.1.1, 2.2.2.2"), (b"x-request-id", b"from-the-front-end.1"))
    seen = backend.seen[0]
    assert (seen["REMOTE_ADDR"], seen["HTTP_X_FORWARDED_FOR"]) == ("203.0.113.9", "1.1.1.1, 2.2.2.2")
    assert seen["HTTP_X_REQUEST_ID"] == "from-the-front-end.1"


def test_what_lies_in_redis_is_gone_after_a_second(answers, backend):
    _ask(answers)
    (key,) = answers._held
    left = get_redis_connection("default").pttl(caches["default"].make_key(key.name))
    assert 0 <= left <= 1_000 or left == -2
