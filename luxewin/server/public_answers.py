"""Ready answers of public reads (`luxewin.api.public_reads`), sent before Django sees the request.

* An answer is made from a request that is written here: path, known parameters in one order, host, scheme, and an
  origin that may read it. Nothing else that a client sends can get into it. Only the client's address goes along, for
  rate limits, and its request id, for the log.
* It counts for one second from the moment when its making began, in this process and, through Redis, in all others; for
  good if it says `immutable`. Whoever asks later waits for the next one. Each key has one at a time in the making in a
  process, and one over all processes.
* While no new one can be made, the last good one stands in, with its `Age`, for STALE_SECONDS.
* Whoever may be known by a cookie or a token, and whatever is asked in an unusual way, goes to Django.
"""

import asyncio
import io
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from luxewin.api.public_reads import FRESH_SECONDS, STALE_SECONDS
from luxewin.metrics.requests import READY
from luxewin.server.connection import Connection
from luxewin.server.front import Front, Receive, Send
from luxewin.server.held_answers import LEASE_SECONDS, Held, Shared, held_of
from luxewin.server.lanes import OverloadedError
from luxewin.server.public_keys import Key, key_of, request_id, request_of
from luxewin.server.wsgi_call import Answer, Scope, call

log = logging.getLogger(__name__)

MOST_ANSWERS = 8_192
#: How long a request waits for a new answer before it gets the last good one.
PATIENCE_SECONDS = 1.0
#: Pause after a failure, before an answer is made again.
PAUSE_SECONDS = 1.0
#: How often to look for an answer that another process makes.
LOOK_SECONDS = 0.02
#: How many requests of a process wait for Redis at once; the others make their answers without asking it.
LOOKS_AT_ONCE = 8
#: How long an answer that cannot be held is known as such.
UNKEPT_SECONDS = 10.0


@dataclass(slots=True)
class Making:
    """An answer in the making."""

    task: "asyncio.Task[Held | Answer | None]"
    began: float


class PublicAnswers:
    """The ASGI application in front of the front; keeps at most `most_bytes` of answers and MOST_ANSWERS."""

    def __init__(self, front: Front, *, most_bytes: int) -> None:
        self.front, self.most_bytes = front, most_bytes
        self.shared = Shared()
        self.bytes = 0
        # Not the front's threads: a Redis that hangs is not to keep a reader's turn.
        self._pool = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="redis")
        self._looking = 0
        self._held: OrderedDict[Key, Held] = OrderedDict()
        self._making: dict[Key, Making] = {}
        #: Until when answers are known to be none that can be kept.
        self._unkept: OrderedDict[Key, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is held, or have the front do it."""
        headers = dict(scope["headers"])
        key = key_of(scope, headers)
        made = None if key is None else self._fresh(key) or await self._renewed(key, scope)
        if isinstance(made, Held):
            await self._send(made, scope, headers, send)
        elif made is not None:
            await self.front.deliver(made, send, scope["extensions"][Connection.EXTENSION])
        else:
            await self.front(scope, receive, send)

    def _fresh(self, key: Key) -> Held | None:
        """Return the answer that is held, if it still counts."""
        held = self._held.get(key)
        if held is None or time.monotonic() >= held.good_until:
            return None
        self._held.move_to_end(key)
        return held

    async def _renewed(self, key: Key, scope: Scope) -> Held | Answer | None:
        """Return a new answer, or the last good one; None if the front should answer this request by itself.

        An `Answer` is a refusal, or too large to be kept: it is the caller's alone, who closes it.
        """
        while (held := self._fresh(key)) is None:
            now = time.monotonic()
            last = self._held.get(key)
            if last and now >= last.made_at + STALE_SECONDS:
                last = None
            if last and now < last.retry_at:
                return last
            if self._unkept.get(key, 0.0) > now:
                return None
            making, leads = self._making_of(key, scope)
            patience = max(0.0, making.began + PATIENCE_SECONDS - now) if last else None
            await asyncio.wait({making.task}, timeout=patience)
            made = making.task.result() if making.task.done() else None
            if isinstance(made, Held):
                return made
            is_ours = leads and made is not None
            if last and (made is None or made.status >= HTTPStatus.INTERNAL_SERVER_ERROR):
                last.retry_at = time.monotonic() + PAUSE_SECONDS
                if leads:
                    making.task.add_done_callback(_close)
                return last
            if is_ours or made is None or made.status != HTTPStatus.TOO_MANY_REQUESTS:
                return made if is_ours else None
            # Whoever led had asked too often, which is not this client's fault: it leads now.
        return held

    def _making_of(self, key: Key, scope: Scope) -> tuple[Making, bool]:
        """Return the answer in the making, and whether this request begins it."""
        if making := self._making.get(key):
            return making, False
        making = self._making[key] = Making(asyncio.create_task(self._make(key, scope)), time.monotonic())
        making.task.add_done_callback(lambda _: self._making.pop(key, None))
        return making, True

    async def _make(self, key: Key, scope: Scope) -> Held | Answer | None:
        """Get the answer from another process or from Django; None if there was no thread for it, or it broke."""
        token = token_hex(8)
        try:
            made = await self._another_s(key, token)
            if made is None:
                try:
                    made = await self.front.in_thread(key.target.path, self._build, request_of(key, scope))
                finally:
                    await self._in_redis(self.shared.give, key.name, token, made if isinstance(made, Held) else None)
        except OverloadedError:
            return None
        except Exception:
            log.exception("no answer could be made for %s", key.target.path)
            return None
        if isinstance(made, Held):
            self._keep(key, made)
        elif made.status < HTTPStatus.INTERNAL_SERVER_ERROR and made.status != HTTPStatus.TOO_MANY_REQUESTS:
            self._drop(key)
            if made.status == HTTPStatus.OK:
                self._unkept[key] = time.monotonic() + UNKEPT_SECONDS
                while len(self._unkept) > MOST_ANSWERS:
                    self._unkept.popitem(last=False)
        return made

    async def _another_s(self, key: Key, token: str) -> Held | Answer | None:
        """Wait for the answer that another process has or makes; None if this one is to make it."""
        began = now = time.monotonic()
        while now < began + LEASE_SECONDS:
            taken = await self._in_redis(self.shared.take, key.name, token)
            if isinstance(taken, tuple):
                dumped, left = taken
                return Held.load(dumped, now - FRESH_SECONDS + left)
            if taken is not False:
                return None
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
        return None

    async def _in_redis[T](self, function: Callable[..., T], *arguments: Any) -> T | None:
        """Have a thread ask Redis; return None at once if LOOKS_AT_ONCE do. Costs a hung Redis's time-out at most."""
        if self._looking >= LOOKS_AT_ONCE:
            return None
        self._looking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        finally:
            self._looking -= 1

    def _build(self, environ: dict[str, Any]) -> Held | Answer:
        """Have Django answer, in a thread."""
        made_at = time.monotonic()
        answer = call(self.front.application, environ, io.BytesIO(), self.front.answers)
        return held_of(answer, made_at) or answer

    def _keep(self, key: Key, held: Held) -> None:
        self._drop(key)
        self._held[key] = held
        self.bytes += held.size
        while self.bytes > self.most_bytes or len(self._held) > MOST_ANSWERS:
            _, oldest = self._held.popitem(last=False)
            self.bytes -= oldest.size

    def _drop(self, key: Key) -> None:
        if known := self._held.pop(key, None):
            self.bytes -= known.size

    async def _send(self, held: Held, scope: Scope, headers: dict[bytes, bytes], send: Send) -> None:
        form = held.form(headers.get(b"accept-encoding", b""))
        asked = headers.get(b"if-none-match")
        # Quoted, a tag cannot be part of another; a weak one is as good.
        is_unchanged = asked is not None and (form.etag in asked or asked.strip() == b"*")
        # Copied, because the list goes to uvicorn.
        head = [*(form.unchanged if is_unchanged else form.head), (b"X-Request-ID", request_id(headers))]
        is_stale = time.monotonic() > held.good_until
        READY.labels("stale" if is_stale else "fresh").inc()
        if is_stale:
            head.append((b"Age", b"%d" % (time.monotonic() - held.made_at)))
        status = HTTPStatus.NOT_MODIFIED if is_unchanged else HTTPStatus.OK
        start = {"type": "http.response.start", "status": int(status), "headers": head}
        body = b"" if is_unchanged or scope["method"] == "HEAD" else form.body
        await self.front.send(start, io.BytesIO(body), len(body), send, scope["extensions"][Connection.EXTENSION])


def _close(task: "asyncio.Task[Held | Answer | None]") -> None:
    made = task.result()
    if isinstance(made, Answer):
        made.close()
