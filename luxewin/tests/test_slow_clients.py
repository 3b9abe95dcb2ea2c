"""Clients that send or read slowly hold a connection for a while, and nobody else waits for them."""

import json
import socket
from collections.abc import Iterator

import pytest

from dev.faults.slow_clients import KINDS, LARGE_ANSWER, LARGE_BYTES, SlowClients, p99, waits
from dev.services.processes import free_port
from luxewin.tests.serving import impatient, serving, wait_for

CLIENTS = 40  # many more than there are threads
BUSY_SECONDS = 10.0  # what an answer may take on a machine that runs other tests; the measurement is `make faults`


@pytest.fixture(scope="module")
def port(django_db_setup: None) -> Iterator[int]:
    port = free_port()
    with serving(port, impatient(port, workers=1)):
        yield port


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_answered_while_slow_clients_hold_on(kind, port):
    with SlowClients(port, kind, CLIENTS) as slow:
        found = waits([f"http://127.0.0.1:{port}/health/live"], seconds=2)
        assert p99(found) < BUSY_SECONDS
        # They come back each time, and each time their time is over.
        wait_for(lambda: slow.closed >= CLIENTS)


def test_a_body_that_does_not_come_is_answered_408(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(KINDS["body"][0])
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "request_timeout"


def test_who_reads_at_a_fair_pace_gets_all_of_a_large_answer(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"GET {LARGE_ANSWER} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(1_000_000), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"content-length: {LARGE_BYTES}".encode() in head.lower()
    assert len(body) == LARGE_BYTES


def test_a_client_that_sends_nothing_at_all_is_cut_off(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        assert _rest(connection) == b""


def test_line_breaks_between_requests_do_not_keep_a_connection(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"\r\n")
        _rest(connection)  # of the answer, and then the end


def _rest(connection: socket.socket) -> bytes:
    """What comes until the server closes, in order or not."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("flood", ["trailer", "extension", "header"])
def test_what_is_neither_head_nor_body_is_bounded(flood, port):
    """The parser would keep a header of any length until its end."""
    head = "POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    start = {
        "trailer": f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
        "extension": f"{head}Transfer-Encoding: chunked\r\n\r\n1;x=",
        "header": f"{head}X-Long: ",
    }[flood]
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(start.encode())
        try:
            while sent < 50_000_000:
                sent += connection.send(b"a" * 65_536)
        except OSError:
            pass
    assert sent < 50_000_000
