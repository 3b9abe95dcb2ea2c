"""The database's connections: how a dead one is told, and what an error says about the database's own state."""

import select
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from psycopg import Connection
from psycopg_pool import ConnectionPool, TooManyRequests

READ_ONLY = "25006"
AGAIN = "Nothing is lost: send the same request again."


@dataclass(frozen=True, slots=True)
class Outage:
    """The database cannot do now what it can do later: a detail for whoever asked, and after how many seconds."""

    detail: str
    retry_after: int = 5


SILENT = Outage(f"The database does not answer. {AGAIN}")
READS_ONLY = Outage(f"Nothing can be changed at the moment, only read. {AGAIN}", 10)
FULL = Outage(f"The database has no room for this at the moment. {AGAIN}", 30)
CROWDED = Outage(f"Too many ask the database at once. {AGAIN}", 2)
LOCKED = Outage(f"Somebody else is changing the same. {AGAIN}", 1)
STOPPED = Outage("This took the database too long and was stopped. Ask for less at once, or again later.", 10)
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


def check(connection: Connection) -> None:
    """psycopg_pool's `check`, run whenever a connection is handed out; raises if it is dead.

    To an idle connection the server has nothing to say, unless it ends it: only where something is to be read is the
    server asked. So a healthy connection costs no round trip, and a restarted server is noticed all the same.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
