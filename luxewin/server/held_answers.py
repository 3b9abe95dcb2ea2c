"""Answers of public reads as they are held: in their forms, in memory and in Redis."""

import gzip
import hashlib
import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from math import inf
from typing import Any

from django.core.cache import caches
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from luxewin.api.public_reads import FOR_GOOD, FRESH_SECONDS
from luxewin.server.wsgi_call import Answer, Headers

log = logging.getLogger(__name__)

#: Larger ones are not held: what they cost is sending them.
MOST_ANSWER_BYTES = 1_048_576
OVERHEAD_BYTES = 4_096  # of an answer beside its bodies, about
WORTH_COMPRESSING = 512
MOST_HEADER_BYTES, REMEMBERED = 256, 1_024
#: How long another process may take over an answer.
LEASE_SECONDS = 2.0
#: Pause before Redis is asked again.
REDIS_PAUSE_SECONDS = 5.0

#: Return the answer and the milliseconds for which it counts; or whether it is the caller's to make it now.
TAKE = """
local held = redis.call('GET', KEYS[1])
if held then return {held, redis.call('PTTL', KEYS[1])} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
#: Give an answer to the others, if there is one that still counts, and the lease back.
GIVE = """
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
"""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of an answer: as it is, or compressed."""

    etag: bytes
    head: Headers
    unchanged: Headers
    body: bytes


class Held:
    """An answer in its forms. `made_at` is when its making began; it counts until `good_until`."""

    __slots__ = ("good_until", "headers", "made_at", "packed", "plain", "retry_at")

    def __init__(self, headers: Headers, body: bytes, packed: bytes, made_at: float) -> None:
        self.headers, self.made_at, self.retry_at = headers, made_at, 0.0
        kept = {name.lower(): value for name, value in headers}
        self.good_until = inf if kept[b"cache-control"] == FOR_GOOD.encode() else made_at + FRESH_SECONDS
        etag = kept.get(b"etag") or b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
        common = [each for each in headers if each[0].lower() not in {b"etag", b"content-length"}]
        if packed:
            vary = b", ".join([each for name, each in common if name.lower() == b"vary"] + [b"Accept-Encoding"])
            common = [*(each for each in common if each[0].lower() != b"vary"), (b"Vary", vary)]
        self.plain = _form(etag, common, body)
        encoding = [(b"Content-Encoding", b"gzip")]
        self.packed = _form(etag[:-1] + b'-gzip"', common, packed, encoding) if packed else None

    @property
    def size(self) -> int:
        """How much memory it takes, about."""
        return OVERHEAD_BYTES + len(self.plain.body) + (len(self.packed.body) if self.packed else 0)

    def form(self, accepted: bytes) -> Form:
        """Return the compressed form to those who take it."""
        return self.packed if self.packed and _takes_gzip(accepted[:MOST_HEADER_BYTES]) else self.plain

    def dump(self) -> bytes:
        """Return it for other processes."""
        packed = self.packed.body if self.packed else b""
        facts = [[(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers], len(packed)]
        return json.dumps(facts).encode() + b"\n" + packed + self.plain.body

    @classmethod
    def load(cls, dumped: bytes, made_at: float) -> "Held":
        """Return what another process dumped."""
        facts, _, bodies = dumped.partition(b"\n")
        headers, cut = json.loads(facts)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return cls(encoded, bodies[cut:], bodies[:cut], made_at)


class Shared:
    """The answers of all processes, in Redis. Without Redis each makes its own."""

    def __init__(self) -> None:
        self._away_until = 0.0

    def take(self, name: str, token: str) -> tuple[bytes, float] | bool:
        """Return the answer and for how many seconds it counts; or whether to make it, and not to wait for another."""
        lease = int(LEASE_SECONDS * 1000)
        taken = self._eval(TAKE, name, token, lease)
        if isinstance(taken, list):
            return taken[0], max(0, taken[1]) / 1000
        return taken != 0

    def give(self, name: str, token: str, held: Held | None) -> None:
        """Give the others an answer, if it still counts, and let them make one if there is none."""
        left = held.made_at + FRESH_SECONDS - time.monotonic() if held else 0.0
        self._eval(GIVE, name, token, max(0, int(left * 1000)), held.dump() if held and left > 0 else b"")

    def _eval(self, script: str, name: str, *values: Any) -> Any:
        """Run a script; return None while Redis does not answer, without asking it each time."""
        if time.monotonic() < self._away_until:
            return None
        key = caches["default"].make_key(name)
        try:
            return get_redis_connection("default").eval(script, 2, key, f"{key}:making", *values)
        except (ConnectionInterrupted, RedisError) as error:
            log.warning("redis does not answer, each process makes its own public answers: %s", error)
            self._away_until = time.monotonic() + REDIS_PAUSE_SECONDS
            return None


def held_of(answer: Answer, made_at: float) -> Held | None:
    """Return the answer to be held, and close it; None if it must not or cannot be held."""
    names = {name.lower(): value for name, value in answer.headers}
    is_public = names.get(b"cache-control", b"").startswith(b"public") and b"set-cookie" not in names
    if answer.status != HTTPStatus.OK or not is_public or answer.body.size > MOST_ANSWER_BYTES:
        return None
    body = answer.body.file.read()
    answer.close()
    packed = gzip.compress(body, 6, mtime=0) if len(body) >= WORTH_COMPRESSING else b""
    headers = [each for each in answer.headers if each[0].lower() != b"x-request-id"]
    return Held(headers, body, packed if len(packed) < len(body) else b"", made_at)


def _form(etag: bytes, common: Headers, body: bytes, further: Iterable[tuple[bytes, bytes]] = ()) -> Form:
    unchanged = [each for each in common if each[0].lower() != b"content-type"] + [(b"ETag", etag)]
    head = [*common, (b"ETag", etag), *further, (b"Content-Length", b"%d" % len(body))]
    return Form(etag, head, unchanged, body)


@lru_cache(REMEMBERED)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding header names gzip and does not refuse it."""
    for each in accepted.lower().split(b","):
        name, _, weight = each.replace(b" ", b"").partition(b";")
        if name == b"gzip":
            return weight.removeprefix(b"q=").strip(b"0.") != b"" if weight else True
    return False
