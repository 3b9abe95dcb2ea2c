"""Ready answers hold nothing of anybody's, are told apart by what is asked alone, and fill no memory."""

import asyncio
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.urls import URLPattern, URLResolver, get_resolver
from django_redis import get_redis_connection

from luxewin.api.public_reads import FRESH, declaration_of
from luxewin.server import held_answers, public_answers
from luxewin.server.public_answers import PublicAnswers
from luxewin.tests.ready_answers import HOST, LIST, ask, crowd, get, process, without_id
from luxewin.tests.wires import Wire, scope_of

CSV, PAGE = b"/api/v1/verification/a/entries.csv", b"/verify"
OURS = "https://luxewin.example"

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
    ask(process(backend))
    caches["default"].clear()
    forged = ask(answers, header)
    plain, poisoned = (
        {name: value for name, value in seen.items() if not name.startswith("wsgi.") and name != "HTTP_X_REQUEST_ID"}
        for seen in backend.seen
    )
    assert plain == poisoned
    assert (forged.status, ask(answers).body) == (200, forged.body)
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
    ask(answers)
    for method in ("GET", "HEAD"):
        wire = Wire(b"12345")
        asyncio.run(answers(scope_of(wire, method, LIST, b"", [HOST, header]), wire.receive, wire.send))
        assert wire.status == 200
        assert wire.headers[b"x-request-id"] == f"of-call-{len(backend.seen)}".encode()
    assert len(backend.seen) == 3
    assert json.loads(ask(answers).body)["call"] == 1


def test_a_header_that_comes_twice_is_django_s(answers, backend):
    ask(answers, HOST, (b"host", b"evil.example"))
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
        assert json.loads(ask(answers, *headers).body)["call"] == count
        assert json.loads(ask(answers, *headers).body)["call"] == count
    assert [seen.get("HTTP_ORIGIN") for seen in backend.seen] == [None, None, OURS, None]
    assert [seen["wsgi.url_scheme"] for seen in backend.seen] == ["http", "http", "http", "https"]


def test_in_clear_nothing_is_answered_from_it_where_tls_is_asked_for(answers, backend, settings):
    settings.SECURE_SSL_REDIRECT = True
    ask(answers)
    ask(answers)
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
    first, second = ask(answers), ask(answers)
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
    wires = crowd(answers, size=5)
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
    ask(answers, path=path)
    ask(answers, path=path)
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
        *("shop-collection", "shop-list", "winners-collection", "winners-list"),
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
    assert ask(answers, query=one).body == ask(answers, query=other).body
    assert len(backend.seen) == 1


@pytest.mark.parametrize(
    "query", [b"a=1", b"phase=open&utm_source=x", b"Phase=open", b"phase[]=open", b"&".join([b"a=1"] * 1_001)]
)
def test_an_unknown_parameter_is_django_s_to_refuse(query, answers, backend):
    ask(answers, query=query)
    assert backend.seen[0]["QUERY_STRING"] == query.decode()
    assert answers._held == {}


def test_a_page_takes_no_notice_of_unknown_parameters(answers, backend):
    for query in (b"", b"utm_source=x", b"fbclid=1"):
        assert json.loads(ask(answers, path=PAGE, query=query).body)["call"] == 1
    ask(answers, path=PAGE, query=b"page=2&utm_source=x")
    assert [seen["QUERY_STRING"] for seen in backend.seen] == ["", "page=2"]


def test_thousands_of_questions_fill_no_memory(backend, monkeypatch):
    monkeypatch.setattr(public_answers, "MOST_ANSWERS", 50)
    answers = process(backend, most_bytes=200_000)
    backend.size = 1_000

    async def many() -> None:
        for number in range(300):
            await get(answers, query=b"price_min=%d" % number)
            assert len(answers._held) <= 50
            assert answers.bytes == sum(held.size for held in answers._held.values()) <= 200_000

    asyncio.run(many())
    assert len(backend.seen) == 300
    ask(answers, query=b"price_min=299")
    assert len(backend.seen) == 300


def test_what_is_asked_for_often_outlasts_what_is_not(backend):
    answers = process(backend, most_bytes=10 * held_answers.OVERHEAD_BYTES)
    for number in range(30):
        ask(answers)
        ask(answers, query=b"price_min=%d" % number)
    assert len(backend.seen) == 31


def test_what_is_too_large_is_sent_and_not_kept(answers, backend):
    backend.size = held_answers.MOST_ANSWER_BYTES
    for number in (1, 2):
        wire = ask(answers)
        assert (wire.status, json.loads(wire.body)["call"]) == (200, number)
    assert (answers._held, len(backend.seen)) == ({}, 2)


def test_a_head_is_answered_from_what_a_get_left_and_leaves_a_get(answers, backend):
    head = ask(answers, method="HEAD")
    wire = ask(answers)
    assert (head.body, json.loads(wire.body)["call"], len(backend.seen)) == (b"", 1, 1)
    assert without_id(head) == without_id(wire)
    assert backend.seen[0]["REQUEST_METHOD"] == "GET"


def test_compressed_and_plain_have_tags_of_their_own_and_are_unchanged_for_who_has_them(answers, backend):
    backend.size = 5_000
    packed = (b"accept-encoding", b"br, gzip;q=0.8")
    plain, small = ask(answers), ask(answers, packed)
    assert gzip.decompress(small.body) == plain.body
    assert (small.headers[b"content-encoding"], b"content-encoding" in plain.headers) == (b"gzip", False)
    assert plain.headers[b"vary"] == small.headers[b"vary"] == b"origin, Accept-Encoding"
    assert plain.headers[b"etag"] != small.headers[b"etag"]
    for form, further in ((plain, ()), (small, (packed,))):
        tag = form.headers[b"etag"]
        assert tag.startswith(b'"')
        for said in (tag, b"W/" + tag, b'"a", ' + tag + b', "b"', b"*"):
            unchanged = ask(answers, (b"if-none-match", said), *further)
            assert (unchanged.status, unchanged.body, unchanged.headers[b"etag"]) == (304, b"", tag)
            assert unchanged.headers.keys() >= {b"cache-control", b"vary", b"x-request-id"}
            assert not unchanged.headers.keys() & {b"content-length", b"content-encoding", b"content-type"}
    assert ask(answers, (b"if-none-match", small.headers[b"etag"])).status == 200
    assert len(backend.seen) == 1


@pytest.mark.parametrize("said", [b"", b"x", b'"', b'"x"', b"W/", b"\xff\x00", b"," * 30_000, b'"a' * 10_000, b"**"])
def test_a_garbage_tag_gets_a_plain_answer(said, answers, backend):
    ask(answers)
    assert ask(answers, (b"if-none-match", said)).status == 200
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
            await get(application, *headers)
        finally:
            sys.setprofile(None)

    asyncio.run(one())
    return counted


def test_ten_thousand_forged_tags_cost_no_more_than_plain_requests(answers, backend, clock):
    ask(answers)
    plain, before = _calls(answers), answers.bytes
    for forged in (b'"forged"', b", ".join(b'"%d"' % number for number in range(5_000))):
        assert _calls(answers, (b"if-none-match", forged)) <= plain + 2  # the strip, and what holds the tags up

    async def many() -> set[int]:
        return {(await get(answers, (b"if-none-match", b'W/"%032x"' % number))).status for number in range(10_000)}

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
    assert (b"content-encoding" in ask(answers, (b"accept-encoding", said)).headers) is is_packed


def test_each_request_has_an_id_of_its_own(answers, backend):
    ids = [ask(answers).headers[b"x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert ask(answers, (b"x-request-id", b"from-the-front-end.1")).headers[b"x-request-id"] == b"from-the-front-end.1"
    assert b"\n" not in ask(answers, (b"x-request-id", b"12345678\n")).headers[b"x-request-id"]


def test_the_tag_that_a_view_gives_stays(answers, backend):
    backend.headers, backend.size = [("ETag", '"root"')], 5_000
    assert ask(answers, path=CSV).headers[b"etag"] == b'"root"'
    assert ask(answers, (b"accept-encoding", b"gzip"), path=CSV).headers[b"etag"] == b'"root-gzip"'


def test_rate_limits_count_the_client_and_the_log_has_its_id(answers, backend):
    ask(answers, (b"x-forwarded-for", b"1.1.1.1, 2.2.2.2"), (b"x-request-id", b"from-the-front-end.1"))
    seen = backend.seen[0]
    assert (seen["REMOTE_ADDR"], seen["HTTP_X_FORWARDED_FOR"]) == ("203.0.113.9", "1.1.1.1, 2.2.2.2")
    assert seen["HTTP_X_REQUEST_ID"] == "from-the-front-end.1"


def test_what_lies_in_redis_is_gone_after_a_second(answers, backend):
    ask(answers)
    (key,) = answers._held
    left = get_redis_connection("default").pttl(caches["default"].make_key(key.name))
    assert 0 <= left <= 1_000 or left == -2
