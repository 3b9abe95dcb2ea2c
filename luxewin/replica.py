"""A streaming replica of the database (DATABASE_REPLICA_URL), from which public reads are answered while it is near.

Only reads that are the same for everyone come from it, and only for people who are not known: so everybody's own writes
are read from the primary. What it does not answer, or says is not there, is asked of the primary.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import Model

log = logging.getLogger(__name__)
ALIAS = "replica"
# For how long a replica that failed is not asked again.
LEFT_OUT_SECONDS = 5.0
# How old what it shows is: by the rows that each web process writes to the primary every three seconds, for ten minutes
# (`luxewin.health.parts`). A replica that is cut off has old ones too, while it says that it has replayed all it got.
STATE = """
    SELECT pg_is_in_recovery(), extract(epoch FROM clock_timestamp() - max(expires) + interval '10 minutes')::float8
    FROM accounts_durable_cache WHERE cache_key LIKE 'health:%'
"""


class UnusableError(Exception):
    """Why the replica is not asked, in one line."""


class Router:
    """Sends reads within `_reading` to the replica, everything else to the primary."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """Return the database, whichever one a row came from."""
        return reading_from()

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """Return the primary."""
        return DEFAULT_DB_ALIAS

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        """Let rows refer to each other: both are of one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Migrate the primary alone."""
        return db == DEFAULT_DB_ALIAS


_alias: ContextVar[str] = ContextVar("luxewin_replica", default=DEFAULT_DB_ALIAS)


@dataclass(slots=True)
class _Pause:
    """Until when this process does not ask the replica, by its monotonic clock; 0 while it answers."""

    end: float = 0.0


_pause = _Pause()


def is_configured() -> bool:
    """Whether there is a replica."""
    return ALIAS in settings.DATABASES


def reading_from() -> str:
    """Return the alias of the database that this thread reads from now."""
    return _alias.get()


def answer(read: Callable[[], Any]) -> Any:
    """Return the response that `read` returns, with its reads from the replica, or else from the primary.

    It must change nothing, as it is called again where the replica fails or refuses: that may be because a row is not
    there yet. Cost: one statement at the replica more.
    """
    if not is_configured() or not _is_usable():
        return read()
    try:
        with _reading():
            response = read()
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
    except DatabaseError as error:
        _leave_out(error)
    except Exception as error:  # noqa: BLE001 the primary's answer counts, and its error too
        log.debug("the replica refused: %s", error)
    return read()


def fetch_row(alias: str, statement: str, values: Sequence[Any]) -> Any:
    """Return the first row of a statement at that database, or at the primary if the replica fails.

    For batches of a file, which outlast the view that began it, and are the same at both. The pooled connection is
    given back, so that a slow download keeps none.
    """
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
    except DatabaseError as error:
        if alias == DEFAULT_DB_ALIAS:
            raise
        _leave_out(error)
        return fetch_row(DEFAULT_DB_ALIAS, statement, values)
    if not connections[alias].in_atomic_block:
        connections[alias].close_if_unusable_or_obsolete()
    return row


def probe() -> None:
    """Raise UnusableError, or the database's own error, unless the replica can be read from; for health. One query."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(STATE)
        in_recovery, age = cursor.fetchone()
    if not in_recovery:
        raise UnusableError("DATABASE_REPLICA_URL leads to a primary: nothing is read from it.")
    if age is None or abs(age) > settings.DATABASE_REPLICA_LAG_SECONDS:
        behind = "an unknown time" if age is None else f"{age:.0f} s"
        raise UnusableError(f"The replica is {behind} behind, by its clock: nothing is read from it.")


@contextmanager
def _reading() -> Iterator[None]:
    token = _alias.set(ALIAS)
    try:
        yield
    finally:
        _alias.reset(token)


def _is_usable() -> bool:
    """Ask the replica; after a failure only one thread does, and only every LEFT_OUT_SECONDS."""
    now = monotonic()
    if now < _pause.end:
        return False
    if _pause.end:
        _pause.end = now + LEFT_OUT_SECONDS
    try:
        probe()
    except (UnusableError, DatabaseError) as error:
        _leave_out(error)
        return False
    _pause.end = 0.0
    return True


def _leave_out(error: Exception) -> None:
    _pause.end = monotonic() + LEFT_OUT_SECONDS
    log.warning("nothing is read from the replica for %g s: %s", LEFT_OUT_SECONDS, error, extra={"cause": ALIAS})
    # The next query of this thread gets a new connection.
    if not connections[ALIAS].in_atomic_block:
        connections[ALIAS].close()
