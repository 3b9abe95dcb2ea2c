"""The ASGI application in front of Django's threads: a request gets a thread only once it is complete.

It reads the body, passes the whole request to the WSGI application in one of a limited number of threads, takes the
complete answer and sends it. So no thread waits for a client's network, and a client that sends or reads slowly holds
only a connection, until its time is over. An answer is sent when it is complete: a failure half-way is a 500, not half
an answer.
"""

import asyncio
import io
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import IO, Any, NoReturn
from uuid import uuid4

from corsheaders.middleware import CorsMiddleware
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from luxewin.api.problems import CONTENT_TYPE, document
from luxewin.api.requests import ASKED_FIRST
from luxewin.metrics.requests import REFUSED
from luxewin.server.connection import Connection
from luxewin.server.lanes import Lane, Lanes, OverloadedError
from luxewin.server.spool import MEMORY_BYTES, Budget, Spool, SpoolFullError
from luxewin.server.wsgi_call import Answer, Application, Scope, call, environ_of

log = logging.getLogger(__name__)
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]

GRACE_SECONDS = 15.0
BYTES_PER_SECOND = 8_192  # the speed of the slowest phones; a MiB may take two minutes
LONGEST_ANSWER_SECONDS = 900.0
CHUNK_BYTES = 65_536
# Each has its own budget, so that slow readers of large answers do not block senders. The one for answers is no larger,
# because refusing one costs a thread nothing, and writing an unread one costs time that others need.
SPOOLED_BODIES, SPOOLED_ANSWERS = 2**30, 2**29
OVERLOAD_LOG_SECONDS = 30.0


class GoneError(Exception):
    """The client is gone, or its time is over, so no answer is needed."""


class _TooLarge:
    """A body longer than allowed: reading it raises Django's error, which becomes a 413."""

    def read(self, size: int | None = None) -> NoReturn:
        raise RequestDataTooBig("the body is longer than DATA_UPLOAD_MAX_MEMORY_SIZE")

    readline = read


class Front:
    """An ASGI application made from a WSGI application.

    At most `threads` requests are processed at once, and of each kind as many as its lane says. Those beyond what may
    wait are answered 503 with `Retry-After`, before their bodies are read. Nor are bodies read that are longer than
    `body_limit`. For paths that begin with one of `ask_first`, the application is asked before (ASKED_FIRST).
    """

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        lanes: Sequence[Lane],
        body_limit: int,
        ask_first: tuple[str, ...] = (),
    ) -> None:
        self.application = application
        self.body_limit = body_limit
        self.ask_first = ask_first
        self.bodies, self.answers = Budget(SPOOLED_BODIES), Budget(SPOOLED_ANSWERS)
        self.lanes = Lanes(threads, lanes)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self.refused = 0
        self.told_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of a `Connection`."""
        connection: Connection = scope["extensions"][Connection.EXTENSION]
        environ = environ_of(scope)
        body: Spool | None = None
        try:
            if self.lanes.is_full(self.lanes.lane_of(environ["PATH_INFO"])):
                answer: Answer | None = self._overloaded(environ, close=connection.is_sending())
            else:
                answer = await self._asked_first(environ, connection)
            if answer is None:
                body = Spool(self.bodies)
                answer = await self._answer(environ, body, receive, connection)
            await self.deliver(answer, send, connection)
        except GoneError:
            connection.abort()
        finally:
            if body is not None:
                body.close()

    async def deliver(self, answer: Answer, send: Send, connection: Connection) -> None:
        """Send an answer and close it."""
        start = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        try:
            await self.send(start, answer.body.file, answer.body.size, send, connection)
        finally:
            answer.close()

    async def in_thread[T](self, path: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in one of the threads, when it is this path's turn. Raise OverloadedError."""
        async with self.lanes.turn(self.lanes.lane_of(path)):
            return await asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)

    async def _asked_first(self, environ: dict[str, Any], connection: Connection) -> Answer | None:
        """Return the application's refusal to read the body, if it was to be asked and refuses."""
        if not _has_body(environ) or not environ["PATH_INFO"].startswith(self.ask_first):
            return None
        answer = await self._work(environ | {ASKED_FIRST: True}, io.BytesIO(), connection)
        if answer.status == HTTPStatus.CONTINUE:
            answer.close()
            return None
        answer.headers.append((b"Connection", b"close"))
        return answer

    async def _answer(self, environ: dict[str, Any], body: Spool, receive: Receive, connection: Connection) -> Answer:
        is_whole = True
        if _has_body(environ):
            try:
                is_whole = await self._read(environ, body, receive)
            except TimeoutError:
                return self._problem(environ, 408, "request_timeout", "The body did not come in time.", close=True)
            except (SpoolFullError, OSError):
                return self._overloaded(environ)
        answer = await self._work(environ, body.file if is_whole else _TooLarge(), connection)  # type: ignore[arg-type]
        if not is_whole:
            answer.headers.append((b"Connection", b"close"))
        return answer

    async def _read(self, environ: dict[str, Any], body: Spool, receive: Receive) -> bool:
        """Read the body and set CONTENT_LENGTH; return False, and stop reading, if it is longer than the limit.

        Raise TimeoutError if it comes too slowly, GoneError if the client went away, SpoolFullError and OSError.
        """
        announced = int(environ.get("CONTENT_LENGTH") or 0)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if announced > self.body_limit:
            return False
        started = asyncio.get_running_loop().time()
        more = True
        while more:
            async with asyncio.timeout_at(started + GRACE_SECONDS + body.size / BYTES_PER_SECOND):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            body.write(message.get("body", b""))
            environ["CONTENT_LENGTH"] = str(body.size)
            if body.size > self.body_limit:
                return False
            more = message.get("more_body", False)
        body.rewind()
        return True

    async def _work(self, environ: dict[str, Any], body: IO[bytes], connection: Connection) -> Answer:
        """Return the application's answer, or a problem if it cannot answer. Raise GoneError if the client is gone."""
        try:
            return await self.in_thread(environ["PATH_INFO"], self._call, environ, body, connection)
        except OverloadedError:
            return self._overloaded(environ)
        except (SpoolFullError, OSError):
            log.warning("no room for an answer in temporary files", exc_info=True)
            return self._overloaded(environ)
        except GoneError:
            raise
        except Exception:
            log.exception("the application failed at %s", environ["PATH_INFO"])
            return self._problem(environ, 500, "server_error", "Something went wrong on our side.")

    def _call(self, environ: dict[str, Any], body: IO[bytes], connection: Connection) -> Answer:
        if connection.is_closing():
            raise GoneError  # the client left while it waited for a thread
        return call(self.application, environ, body, self.answers)

    async def send(self, start: dict[str, Any], body: IO[bytes], size: int, send: Send, connection: Connection) -> None:
        """Send a head and a body. Close the connection if the client is gone or reads it too slowly."""
        if size <= MEMORY_BYTES:
            await send(start)
            await send({"type": "http.response.body", "body": body.read()})
            return
        if connection.is_closing():
            connection.abort()
            return
        started = asyncio.get_running_loop().time()
        rate = max(BYTES_PER_SECOND, size / LONGEST_ANSWER_SECONDS)
        sent = 0
        try:
            with connection.no_write_buffer():
                await send(start)
                while chunk := body.read(min(CHUNK_BYTES, size - sent)):
                    sent += len(chunk)
                    async with asyncio.timeout_at(started + GRACE_SECONDS + sent / rate):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                        await connection.drained()
                    if connection.is_closing():
                        connection.abort()
                        return
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            connection.abort()

    def _overloaded(self, environ: dict[str, Any], *, close: bool = False) -> Answer:
        REFUSED.labels(self.lanes.lane_of(environ["PATH_INFO"]).name).inc()
        self.refused += 1
        if time.monotonic() - self.told_at > OVERLOAD_LOG_SECONDS:
            log.warning("overloaded: %d request(s) refused since this was last said", self.refused)
            self.told_at, self.refused = time.monotonic(), 0
        detail = "Too much to do. Send the same request again."
        return self._problem(environ, 503, "unavailable", detail, retry_after=2, close=close)

    def _problem(
        self, environ: dict[str, Any], status: int, code: str, detail: str, *, retry_after: int = 0, close: bool = False
    ) -> Answer:
        """Return a problem document made without Django, readable for the front end's pages too."""
        request_id = uuid4().hex
        body = document(status, code, HTTPStatus(status).phrase, detail) | {"request_id": request_id}
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-ID": request_id,
        }
        if retry_after:
            headers["Retry-After"] = str(retry_after)
        if close:
            headers["Connection"] = "close"
        if "HTTP_ORIGIN" in environ:
            request = WSGIRequest(environ | {"wsgi.input": io.BytesIO()})
            readable: Any = CorsMiddleware(lambda _: HttpResponse(headers=headers))(request)
            headers = dict(readable.items())
        answer = Answer(self.answers)
        answer.start(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        answer.body.write(json.dumps(body).encode())
        answer.finish(head_only=False)
        return answer


def _has_body(environ: dict[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"
