"""One call of a WSGI application (PEP 3333) for one ASGI request with a complete body."""

import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from luxewin.server.spool import Budget, Spool

type Scope = dict[str, Any]
type Headers = list[tuple[bytes, bytes]]
type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class Answer:
    """Status, headers and body of an answer; `close` it."""

    def __init__(self, budget: Budget) -> None:
        self.status = 0
        self.headers: Headers = []
        self.body = Spool(budget)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        """Act as WSGI's start_response."""
        self.status = int(status[:3])
        self.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self.body.write

    def finish(self, *, head_only: bool) -> None:
        """Set Content-Length to the body's real length, if the answer has one."""
        self.body.rewind()
        if head_only or self.status in NO_BODY:
            return
        self.headers = [each for each in self.headers if each[0].lower() != b"content-length"]
        self.headers.append((b"Content-Length", b"%d" % self.body.size))

    def close(self) -> None:
        """Release memory and disk."""
        self.body.close()


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of a request without its body.

    Headers that come more than once are joined by commas; those with an underscore in their name are dropped, because
    `X_Forwarded_For` would pass for `X-Forwarded-For`.
    """
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        # WSGI wants bytes as latin-1; the decoded path has lost what is not UTF-8.
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
    for name, value in scope["headers"]:
        if b"_" in name:
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{text}" if key in environ else text
    return environ


def call(application: Application, environ: dict[str, Any], body: IO[bytes], budget: Budget) -> Answer:
    """Have the application answer completely; run it in a thread.

    Raise whatever the application raises, SpoolFullError, and OSError when no disk is left for the answer.
    """
    answer = Answer(budget)
    is_head = environ["REQUEST_METHOD"] == "HEAD"
    try:
        chunks = application(environ | {"wsgi.input": body}, answer.start)
        try:
            if not is_head and not (isinstance(chunks, FileWrapper) and answer.body.adopt(chunks.filelike)):
                for chunk in chunks:
                    answer.body.write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        answer.finish(head_only=is_head)
    except BaseException:
        answer.close()
        raise
    return answer
