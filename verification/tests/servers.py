"""Servers that stand in for outside parties that fail: nodes that hang or lose answers, relays that lie."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

from luxewin.tests.asking import HTTP


@contextmanager
def serving(serve: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server that hands each request to `serve`; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the other side gave up
                serve(self)

        do_POST = do_OPTIONS = do_GET  # noqa: N815 the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """What was sent to the server."""
    return request.rfile.read(int(request.headers["Content-Length"]))


def answer(
    request: BaseHTTPRequestHandler,
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
    cut: int | None = None,
) -> None:
    """Answers with the body. With `cut`, the connection breaks off after so many bytes of it."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:cut])


@contextmanager
def losing_answers(node: str, method: str) -> Iterator[str]:
    """A node that does what it is asked, and drops the connection instead of answering calls of `method`."""

    def serve(request: BaseHTTPRequestHandler) -> None:
        question = body_of(request)
        got = HTTP.post(node, content=question, headers={"Content-Type": "application/json"}).content
        if method.encode() in question:
            request.close_connection = True
        else:
            answer(request, got)

    with serving(serve) as url:
        yield url


@contextmanager
def lying(node: str, **lies: Callable[[Any], Any]) -> Iterator[str]:
    """A node that changes what the real one says: by the name of a method, what it makes of the result.

    The result is None if the real node says an error, and a lie may be a dict with the one key "error".
    """

    def serve(request: BaseHTTPRequestHandler) -> None:
        question = body_of(request)
        got = HTTP.post(node, content=question, headers={"Content-Type": "application/json"}).json()
        lie = lies.get(json.loads(question)["method"])
        if lie:
            told = lie(got.pop("result", None))
            got.pop("error", None)
            got |= told if isinstance(told, dict) and set(told) == {"error"} else {"result": told}
        answer(request, json.dumps(got).encode())

    with serving(serve) as url:
        yield url
