"""The database's connection pool: how a dead connection is told without asking the server."""

import select

from psycopg import Connection
from psycopg_pool import ConnectionPool


def check(connection: Connection) -> None:
    """psycopg_pool's `check`, run whenever a connection is handed out; raises if it is dead.

    To an idle connection the server has nothing to say, unless it ends it: only where something is to be read is the
    server asked. So a healthy connection costs no round trip, and a restarted server is noticed all the same.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
