"""Bodies over a real server: bounded however they come, and read alike whether or not they say how long they are."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from dev.services.processes import free_port
from dev.stack import server_command
from luxewin.tests.serving import serving

REFRESH, WEBHOOK = "/api/v1/auth/refresh", "/api/v1/webhooks/stripe/0190b3a0-0000-7000-8000-000000000000"
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
SMALL = b'{"refresh": "x"}'


@pytest.fixture(scope="module")
def port(django_db_setup: None) -> Iterator[int]:
    """Where the product is served, as `make run` serves it, on the tests' database."""
    port = free_port()
    with serving(port, server_command(port, 1)):
        yield port


def _raw(port: int, sent: bytes) -> bytes:
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # it would not hear the rest
        return answer


def _post(port: int, body: Any, path: str = REFRESH, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """The answer; an iterable is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_a_body_in_chunks_is_read_like_any_other(port):
    for body in (SMALL, iter([SMALL]), iter([SMALL[:5], SMALL[5:9], SMALL[9:]])):
        status, problem, _ = _post(port, body)
        assert (status, problem["code"]) == (401, "token_not_valid")


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_refused(port):
    text = b'{"refresh": "' + b"x" * (LIMIT - 15) + b'"}'
    for sent in (text, iter([text[:1000], text[1000:]])):
        status, problem, _ = _post(port, sent)
        assert (status, problem["code"]) == (400, "invalid")
    status, problem, _ = _post(port, iter([text, b" "]))
    assert (status, problem["code"]) == (413, "too_large")
    assert _announced(port, REFRESH, LIMIT + 1).startswith(b"HTTP/1.1 413 ")


def _announced(port: int, path: str, length: int) -> bytes:
    """What begins the answer to a body that is announced and not even sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        return connection.recv(65_536)


def test_no_more_than_the_limit_is_read_of_a_body_that_does_not_end(port):
    """The answer comes although the rest never does."""
    head = f"POST {REFRESH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(LIMIT // 65_536 + 1):
            connection.sendall(chunk)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "length", "status"),
    [
        ("", 100, 400),
        ("Stripe-Signature: mine", 100, 400),
        (f"Stripe-Signature: t=1,v1={'0' * 64}", 100, 404),
        (f"Stripe-Signature: t=1,v1={'0' * 64}", 262_145, 413),
    ],
    ids=["not signed", "no signature of Stripe's", "not our endpoint", "too long"],
)
def test_the_webhook_refuses_before_it_reads(header, length, status, port):
    """The body never comes: the answer does at once, and nothing more is heard on this connection."""
    head = f"POST {WEBHOOK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{header}\r\n"
    answer = _raw(port, f"{head.strip()}\r\n\r\n{{".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 16\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1e3\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ],
)
def test_a_body_whose_length_is_a_riddle_reaches_nobody(framing, port):
    head = f"POST {REFRESH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    answer = _raw(port, f"{head}{framing}\r\n".encode() + SMALL)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_second_request_is_not_smuggled_in_the_body_of_the_first(port):
    """With both headers, chunks decide (RFC 9112), and the connection is good for nothing more."""
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = f"POST {REFRESH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    body = b"0\r\n\r\n" + smuggled
    framing = f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert _raw(port, head.encode() + framing.encode() + body).count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("place", ["path", "query", "header", "headers"])
def test_endless_heads_are_refused_by_the_server_itself(place, port):
    long = "a" * 2_000_000
    head = {
        "path": f"GET /{long} HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "query": f"GET /?{long} HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "header": f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {long}\r\n",
        "headers": "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "".join(f"X-{n}: a\r\n" for n in range(10_000)),
    }[place]
    answer = _raw(port, f"{head}Connection: close\r\n\r\n".encode())
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"414", b"431"}, answer[:100]


def test_every_answer_of_the_server_tells_no_version(port):
    _, _, headers = _post(port, SMALL)
    assert "server" not in headers
    assert headers["x-request-id"]
