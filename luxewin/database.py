"""Database connections: their time limits, how a dead one is detected, and what an error says about the database."""

import select
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections, transaction
from django.db.models import BooleanField, F, Func, Model, QuerySet, UUIDField, Value
from psycopg import Connection
from psycopg_pool import ConnectionPool, TooManyRequests

# How much longer than the server's statement limit a web process waits for its answer.
GRACE_SECONDS = 5.0
READ_ONLY = "25006"
AGAIN = "Nothing is lost: send the same request again."


@dataclass(frozen=True, slots=True)
class Outage:
    """A temporary failure of the database: a detail for people, and the seconds after which to retry."""

    detail: str
    retry_after: int = 5


SILENT = Outage(f"The database does not answer. {AGAIN}")
READS_ONLY = Outage(f"Nothing can be changed at the moment, only read. {AGAIN}", 10)
FULL = Outage(f"This cannot be stored at the moment. {AGAIN}", 30)
CROWDED = Outage(f"Too many requests at once. {AGAIN}", 2)
LOCKED = Outage(f"Somebody else is changing this at the moment. {AGAIN}", 1)
STOPPED = Outage("This took too long and was stopped. Ask for less at once, or try again later.", 10)
# By SQLSTATE, longest matching prefix. Other states are faults of a statement, not of the database.
STATES = {
    "08": SILENT,
    "25": SILENT,
    READ_ONLY: READS_ONLY,
    "40": LOCKED,
    "53": CROWDED,
    "53100": FULL,
    "53200": FULL,
    "55P03": LOCKED,
    "57": SILENT,
    "57014": STOPPED,
    "58": SILENT,
    "XX": SILENT,
}


def outage(error: BaseException | None) -> Outage | None:
    """Return the database's failure if one caused the error; None for any other error.

    Follows the error's causes: Django turns a session that could not be stored into a client error.
    """
    for each in causes(error):
        if isinstance(each, DatabaseError | InterfaceError):
            state = getattr(each.__cause__, "sqlstate", None)
            if isinstance(each.__cause__, TooManyRequests):
                return CROWDED
            if state is None:
                return SILENT if isinstance(each, OperationalError | InterfaceError) else None
            return STATES.get(state) or STATES.get(state[:2])
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Return the error and its causes, at most 20."""
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def discard_connections(found: Outage) -> None:
    """Give this thread's next query a new connection if the old one leads to a read-only server.

    After a failover an open connection may still lead to the demoted primary while new ones find the new one; a pool
    would reuse it for as long as it lives.
    """
    if found is not READS_ONLY:
        return
    for each in connections.all(initialized_only=True):
        if each.connection is not None and not each.in_atomic_block:
            # Closed before it is returned, so that the pool opens another in its place.
            each.connection.close()
            each.close()


class BoundedConnection(Connection[Any]):
    """A connection that gives up on a hung server: the server's own time limits do not run while it is stopped.

    Used in web processes, whose threads must become free again.
    """

    #: For one statement, commit or other request; None waits for ever.
    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise OperationalError after `patience`, and then the connection is closed."""
        bound = _patience() if self.patience is None else self.patience
        try:
            return super().wait(gen, interval, bound if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 it has no public name
            # Anything the server sends later is no answer to the next request.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {bound} s") from error


class ReplicaConnection(BoundedConnection):
    """A connection of a web process that gives up early, since the primary can answer too."""

    patience = 3.0


def _patience() -> float | None:
    seconds = settings.DATABASE_STATEMENT_SECONDS
    return seconds + GRACE_SECONDS if seconds else None


def is_transaction_pooler(database: dict[str, Any]) -> bool:
    """Whether the address is that of Supabase's pooler in transaction mode."""
    return str(database.get("HOST", "")).endswith(".supabase.com") and str(database.get("PORT", "")) == "6543"


def session_options(**seconds: int) -> str:
    """Return the session options for these PostgreSQL settings, in seconds, without those that are 0."""
    return " ".join(f"-c {name}={value * 1000}" for name, value in seconds.items() if value)


@contextmanager
def statement_timeout(name: str, *, minutes: float) -> Iterator[None]:
    """Open a transaction for long work, in which each statement, and each pause between two, may take so many minutes.

    All other work has the limits of the settings (DATABASE_STATEMENT_SECONDS and the like). `name` describes it:
    `pg_stat_activity` shows it as the session's application while it runs. Within another transaction the limit stays
    until that one ends. Cost: one statement.
    """
    limit = f"{round(minutes * 60_000)}"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('application_name', %s, true),"
                " set_config('idle_in_transaction_session_timeout', %s, true)",
                [limit, f"luxewin: {name}", limit],
            )
        session = connection.connection
        former = getattr(session, "patience", None)
        session.patience = minutes * 60 + GRACE_SECONDS
        try:
            yield
        finally:
            session.patience = former


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Begin no statement once so many seconds are over: it fails as one does that took too long (STOPPED).

    So many statements, each within its own limit, do not add up. The last one may still take that limit; commits and
    what asks no database are not stopped. Does not cost a statement.
    """
    end = monotonic() + seconds

    def refuse_late(execute: Callable[..., Any], *arguments: Any) -> Any:
        if monotonic() >= end:
            text = f"not begun, because {seconds} s were over"
            raise OperationalError(text) from psycopg.errors.QueryCanceled(text)
        return execute(*arguments)

    with connection.execute_wrapper(refuse_late):
        yield


def among(column: str, keys: Iterable[UUID]) -> Func:
    """Return the condition that a column is one of these keys, for `filter`.

    Many keys are one parameter, an array: as a thousand parameters they take longer to write than rows to read.
    """
    array = Value(list(keys), ArrayField(UUIDField()))
    return Func(F(column), array, template="(%(expressions)s))", arg_joiner=" = ANY(", output_field=BooleanField())


def in_batches[M: Model](rows: QuerySet[M], size: int = 1_000) -> Iterator[M]:
    """Yield the rows by primary key; each batch is a statement of its own.

    So memory is bounded behind any pooler, and whoever is slow holds no cursor, snapshot or connection. Rows that come
    or change meanwhile are seen or not. Cost: one query for each `size` rows.
    """
    rows = rows.order_by("pk")
    part = list(rows[:size])
    while part:
        yield from part
        part = list(rows.filter(pk__gt=part[-1].pk)[:size]) if len(part) == size else []


def release_connection() -> None:
    """Return this thread's pooled connection before a call to somebody else, unless a transaction is open.

    So whoever is slow to answer holds none. A thread that has others make its calls does this first.
    """
    if settings.DATABASE_POOL and not connection.in_atomic_block:
        connection.close()


def lift_limits(using: str, **kwargs: Any) -> None:
    """Lift the limits before migrations, which may take any time; a receiver of `pre_migrate`.

    Raise CommandError behind a pooler that keeps no session: the limits of others would be lifted instead.
    """
    if settings.DATABASE_TRANSACTION_POOLER:
        raise CommandError(
            "Migrations need a session of their own. Run them with DATABASE_TRANSACTION_POOLER=false and DATABASE_URL"
            " at the server itself, or at a pooler in session mode (Supabase: port 5432)."
        )
    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")


def restore_limits(using: str, **kwargs: Any) -> None:
    """Restore the limits; a receiver of `post_migrate`."""
    with connections[using].cursor() as cursor:
        cursor.execute("RESET statement_timeout; RESET lock_timeout; RESET idle_in_transaction_session_timeout")


def check(connection: Connection) -> None:
    """Raise if a connection is dead; psycopg_pool's `check`, run whenever one is handed out.

    The server sends nothing to an idle connection unless it ends it: so the server is asked only if something can be
    read. A healthy connection costs no round trip, and a restarted server is still noticed.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
