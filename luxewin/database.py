"""The database's connections: their time limits, how a dead one is told, and what an error says about the database."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections, transaction
from psycopg import Connection
from psycopg_pool import ConnectionPool, TooManyRequests

# How much longer than the server may work on a statement a web process waits for its answer.
GRACE_SECONDS = 5.0
READ_ONLY = "25006"
AGAIN = "Nothing is lost: send the same request again."


@dataclass(frozen=True, slots=True)
class Outage:
    """The database cannot do now what it can do later: a detail for whoever asked, and after how many seconds."""

    detail: str
    retry_after: int = 5


SILENT = Outage(f"The database does not answer. {AGAIN}")
READS_ONLY = Outage(f"Nothing can be changed at the moment, only read. {AGAIN}", 10)
FULL = Outage(f"This cannot be stored at the moment. {AGAIN}", 30)
CROWDED = Outage(f"Too many requests at once. {AGAIN}", 2)
LOCKED = Outage(f"Somebody else is changing this at the moment. {AGAIN}", 1)
STOPPED = Outage("This took too long and was stopped. Ask for less at once, or try again later.", 10)
# By SQL's state, the longest beginning that fits. What is not here is a fault of a statement, not of the database.
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
    """What the database's state is, where that is behind the error; None for any other error.

    Looks along the error's causes: Django turns a session that could not be stored into an error of the client's.
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
    """The error and what led to it, at most 20 of them."""
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def discard_connections(found: Outage) -> None:
    """Has this thread's next query go through a new connection, where the old one leads to a server that only reads.

    After a failover a kept connection may still lead to the demoted primary while new ones find the new one; a pool
    would hand it out again for as long as it lives.
    """
    if found is not READS_ONLY:
        return
    for each in connections.all(initialized_only=True):
        if each.connection is not None and not each.in_atomic_block:
            # Closed before it goes back, so that the pool makes another in its place.
            each.connection.close()
            each.close()


class BoundedConnection(Connection[Any]):
    """A connection that gives up on a server that hangs: the server's own time limits do not run while it is stopped.

    Used in web processes, whose threads must come back.
    """

    #: For one statement, a commit or whatever else is asked; None waits for ever.
    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg has it; raises OperationalError after `patience`, and then the connection is closed."""
        bound = _patience() if self.patience is None else self.patience
        try:
            return super().wait(gen, interval, bound if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 it has no public name
            # Whatever the server still says is no answer to the next question.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {bound} s") from error


def _patience() -> float | None:
    from django.conf import settings

    seconds = settings.DATABASE_STATEMENT_SECONDS
    return seconds + GRACE_SECONDS if seconds else None


def session_options(**seconds: int) -> str:
    """What a session asks for at its start: these of PostgreSQL's settings, in seconds, without those that are 0."""
    return " ".join(f"-c {name}={value * 1000}" for name, value in seconds.items() if value)


@contextmanager
def statement_timeout(name: str, *, minutes: float) -> Iterator[None]:
    """A transaction for long work, in which each statement, and each pause between two, may take so many minutes.

    The limits of all other work are the settings' (DATABASE_STATEMENT_SECONDS and the like). `name` says what it is:
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


def lift_limits(using: str, **kwargs: Any) -> None:
    """Receiver of `pre_migrate`: a migration takes as long as it takes."""
    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")


def restore_limits(using: str, **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    with connections[using].cursor() as cursor:
        cursor.execute("RESET statement_timeout; RESET lock_timeout; RESET idle_in_transaction_session_timeout")


def check(connection: Connection) -> None:
    """psycopg_pool's `check`, run whenever a connection is handed out; raises if it is dead.

    To an idle connection the server has nothing to say, unless it ends it: only where something is to be read is the
    server asked. So a healthy connection costs no round trip, and a restarted server is noticed all the same.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
