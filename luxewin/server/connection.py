"""A client's connection: uvicorn's, with a limit on everything that a client could drag out."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
LAST_LOOK_SECONDS = 0.1
HEAD_BYTES = 65_536
HEADERS = 100
# Framing bytes allowed for each byte of a body: chunks of one byte need five more.
FRAMING_BYTES = 8
READ_BYTES = 262_144  # what the event loop reads at once, which may span two requests
LINGER_SECONDS = 2.0
LINGER_BYTES = 8_388_608
LAST_REQUEST_SECONDS = 2.0
CLOSE_SECONDS = 30.0
MOST_CONNECTIONS = 4_096
FORGET = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """One connection, of which at most MOST_CONNECTIONS are open in a process; further ones are closed at once.

    A head must be complete HEAD_SECONDS after its first byte, or after the connection was made, and within HEAD_BYTES
    and HEADERS. Closing ends after CLOSE_SECONDS, whether the client reads the rest or not. From a client that still
    sends, a limited amount is read for a limited time (LINGER_…), so that it can read the answer. The application finds
    the connection under EXTENSION in the scope's extensions.
    """

    EXTENSION = "luxewin.connection"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._has_head = False
        self._in_message = False
        self._allowance = HEAD_BYTES
        self._head_size = 0
        self._lingers = False
        self._lingered = 0
        self._stops = False

    # --- what the application uses --------------------------------------------------------------------------------
    def is_closing(self) -> bool:
        """Whether the client no longer waits for an answer."""
        return self._lingers or self.transport.is_closing()

    def is_sending(self) -> bool:
        """Whether a part of the current request is still to come."""
        return self._in_message

    def abort(self) -> None:
        """Close at once, and drop what has not been sent."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # else uvicorn would report a missing answer
        self.transport.abort()

    @contextlib.contextmanager
    def no_write_buffer(self) -> Iterator[None]:
        """Make `drained` wait until the system has taken every byte. Only while the connection is open."""
        self.transport.set_write_buffer_limits(high=0)
        try:
            yield
        finally:
            if not self.transport.is_closing():
                self.transport.set_write_buffer_limits()

    async def drained(self) -> None:
        """Wait until everything sent is written, or the client is gone."""
        await self.flow.drain()

    # --- the event loop's calls -----------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = _Closing(self, transport)  # type: ignore[assignment]
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)
        self.transport.stop()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        self._allowance -= len(data)
        if self.transport.is_closing():
            return
        if self._allowance < 0:
            self.send_400_response("Too much but content.")
        elif not self._has_head and self._timer is None:
            self._await_head()

    def shutdown(self) -> None:
        """Stop, but serve one more request of a client that has just connected: its bytes may be on their way."""
        if self.cycle is None and not self._stops:
            self._stops = True
            self.loop.call_later(LAST_REQUEST_SECONDS, self.shutdown)
        elif not self.transport.is_closing():
            super().shutdown()

    # --- the parser's calls ---------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {self.EXTENSION: self}  # type: ignore[dict-item]
        self._in_message, self._has_head, self._head_size = True, False, 0
        self._allowance = HEAD_BYTES + READ_BYTES

    def on_url(self, url: bytes) -> None:
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value))
        if len(self.headers) >= HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._stop_waiting()
        super().on_headers_complete()
        if self._stops:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._allowance += (FRAMING_BYTES + 1) * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message, self._has_head = False, False
        super().on_message_complete()

    def _grow(self, size: int) -> None:
        """Raise an error that the parser turns into a 400."""
        self._head_size += size
        if self._head_size > HEAD_BYTES:
            raise ValueError("head too large")

    # --- time -----------------------------------------------------------------------------------------------------
    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # of the next request, while this one is worked on
        else:
            # After a blocked event loop, the timer may fire before data that arrived in time is read.
            self._timer = self.loop.call_later(LAST_LOOK_SECONDS, self.transport.abort)

    def linger(self) -> bool:
        """Whether the client still sends: closing now would reset the connection, and it would lose the answer."""
        if self._in_message and not self._lingers:
            self._lingers = True
            return True
        return False


class _Closing:
    """A transport whose `close` ends in time: uvicorn would wait for ever for a client that does not read."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._connection, self._transport = connection, transport
        self._timer: asyncio.TimerHandle | None = None
        self.write = transport.write
        self.get_extra_info, self.set_write_buffer_limits = (
            transport.get_extra_info,
            transport.set_write_buffer_limits,
        )

    def is_closing(self) -> bool:
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        if self._timer is not None:
            return
        lingers = self._connection.linger() and self._transport.can_write_eof()
        self._timer = self._connection.loop.call_later(LINGER_SECONDS if lingers else CLOSE_SECONDS, self.abort)
        if lingers:
            self._connection.flow.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, and have the system drop unsent data instead of keeping it for the client."""
        # ValueError: it is closed already.
        with contextlib.suppress(OSError, ValueError):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET)
        self._transport.abort()

    def stop(self) -> None:
        """Stop timers: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
