"""Rate limits of API actions: django-ratelimit, counted in Redis, and in PostgreSQL while Redis is away."""

import logging
from collections.abc import Callable
from functools import wraps
from threading import local
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection
from django.utils.translation import ngettext
from django_ratelimit.core import get_usage
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from luxewin.api.json_schemas import INTEGER
from luxewin.api.problems import Problem

log = logging.getLogger(__name__)
# The key's name contains its window, so its lifetime need not be renewed with each count.
# A migration of accounts makes the table. No row is evicted for another: guesses from many addresses would otherwise
# evict their own counts.
COUNT_ROW = """
    INSERT INTO accounts_durable_cache AS held (cache_key, value, expires)
    VALUES (%s, '1', statement_timestamp() + make_interval(secs => %s))
    ON CONFLICT (cache_key) DO UPDATE SET
        value = CASE WHEN held.expires > statement_timestamp() THEN held.value::bigint + 1 ELSE 1 END::text,
        expires = CASE WHEN held.expires > statement_timestamp() THEN held.expires ELSE EXCLUDED.expires END
    RETURNING value
"""
FORGET = """
    DELETE FROM accounts_durable_cache WHERE cache_key IN (
        SELECT cache_key FROM accounts_durable_cache WHERE expires < now() LIMIT 10000 FOR UPDATE SKIP LOCKED
    )
"""
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class TooManyRequests(Problem):
    """429 with Retry-After. `what` was done too often; `otherwise` says what can be done instead of waiting."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    members = {"retry_after": INTEGER}

    def __init__(self, seconds: int, *, what: str = "requests", otherwise: str = "") -> None:
        self.retry_after = max(1, seconds)
        wait = ngettext("Wait %d second", "Wait %d seconds", self.retry_after) % self.retry_after
        super().__init__(f"Too many {what}. {wait}{otherwise}.", retry_after=self.retry_after)


class CounterCache(BaseCache):
    """The cache of django-ratelimit's counts: Redis, or a database table while Redis does not answer.

    So a dead Redis neither opens the sign-in to guessing nor blocks it. Of django-ratelimit's two steps, `add` and then
    `incr`, the first already counts and the second returns its result: one round trip instead of two.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._counted = local()

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Count one at `key`, which lives for `timeout` seconds; return True if it is the first."""
        try:
            count = self._count(key, int(timeout))
        except (ConnectionInterrupted, RedisError) as error:
            log.warning("redis does not answer, rate limits are counted in the database: %s", error)
            count = _count_in_database(key, int(timeout))
        self._counted.now = (key, count)
        return count == 1

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Return the count that `add` found for this key just before."""
        counted, count = self._counted.now
        if counted != key:
            raise ValueError(f"{key} was not added before")
        return count

    def _count(self, key: str, seconds: int) -> int:
        # Not `eval`, which checks its arguments for longer than Redis takes.
        return get_redis_connection("default").execute_command(
            "EVAL", COUNT, 1, caches["default"].make_key(key), seconds
        )


def _count_in_database(key: str, seconds: int) -> int:
    """Count one in a single statement, so that concurrent counts are exact. Raise django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_ROW, [key, seconds])
        return int(cursor.fetchone()[0])


def forget_expired_counts() -> int:
    """Delete expired counts of the database, at most 10,000 rows at once; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET)
        return cursor.rowcount


def count_request(request: Any, *, group: str, key: str | Callable[[str, Any], str], rate: str) -> None:
    """Count this request under `group` and the value of `key`; raise TooManyRequests beyond `rate`."""
    usage = get_usage(request, group=group, key=key, rate=rate, increment=True)
    if usage and usage["should_limit"]:
        raise TooManyRequests(usage["time_left"])


def limited(
    rate: str,
    *,
    key: str | Callable[[str, Any], str] = "ip",
    when: Callable[[Request], bool] | None = None,
) -> Callable[..., Any]:
    """Limit a viewset's action to `rate` (as django-ratelimit writes it: "10/m") for each value of `key`.

    With `when`, only requests for which it is true are counted. Decorate actions, not `dispatch`: there DRF has not
    authenticated anybody yet. The action raises TooManyRequests. Cost: one round trip to Redis.
    """

    def decorate(action: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(action)
        def guarded(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            if when is None or when(request):
                count_request(request, group=f"{type(view).__name__}.{action.__name__}", key=key, rate=rate)
            return action(view, request, *args, **kwargs)

        guarded.is_limited = True  # type: ignore[attr-defined]  # for the API's document
        return guarded

    return decorate


def is_limited(action: Callable[..., Any]) -> bool:
    """Whether this action is decorated with `limited`."""
    return getattr(action, "is_limited", False)


def changes(request: Request) -> bool:
    """Whether the request changes something: for the `when` of `limited`, if one action both shows and changes."""
    return request.method not in SAFE_METHODS


def by_body_field(name: str, one_form: Callable[[str], str]) -> Callable[[str, Request], str]:
    """Return a key for `limited`: a field of the body, which limits guesses at one account from many addresses.

    `one_form` maps all spellings of a value to one; it never raises.
    """

    def value(group: str, request: Request) -> str:
        body = request.data
        return one_form(str(body.get(name, ""))[:254]) if isinstance(body, dict) else ""

    return value
