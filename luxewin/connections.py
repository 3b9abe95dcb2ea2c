"""How many database connections the processes of these settings may open, and checks of the server they lead to.

`manage.py check --deploy --tag connections --database default` runs them; a worker logs what they find when it starts.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 Django's own name for it
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections

from luxewin import replica
from luxewin.environment import DEVELOPMENT

TAG = "connections"
# The processes of a worker besides those that run tasks: the sentinel, the one that fetches tasks, the one that stores
# results; and two threads of the main process, the timer and these checks.
WORKER_EXTRAS = 5
# For commands and whoever looks into the database by hand, on all machines together.
SPARE = 5
# SIGHUP starts the new web processes before the old ones end.
GENERATIONS = 2
LIMITS = {
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
# What the server grants this role in this database; -1 is no limit.
SERVER = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
        current_user, current_setting('TimeZone')
"""
# Tables whose owner this role is, or acts as; all of them for a superuser.
OWNED = """
    SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        AND pg_has_role(current_user, relowner, 'USAGE')
"""


# Whose copy of which server it is. The identifier is made with a cluster, and its replicas have the same.
SAME = "SELECT pg_is_in_recovery(), system_identifier FROM pg_control_system()"


@dataclass(frozen=True, slots=True)
class Demand:
    """What each part opens at most, over all machines."""

    machines: int
    web_processes: int
    pool: int
    workers: int

    @property
    def total(self) -> int:
        """Return MACHINES * (2 * WEB_PROCESSES * DATABASE_POOL_SIZE + WORKERS + 5) + 5; docs/operations.md says why."""
        return self.machines * (GENERATIONS * self.web_processes * self.pool + self.workers + WORKER_EXTRAS) + SPARE

    def largest_pool(self, granted: int) -> int:
        """Return the DATABASE_POOL_SIZE with which the total stays within `granted`; below 2 there is none."""
        others = self.machines * (self.workers + WORKER_EXTRAS) + SPARE
        return (granted - others) // (self.machines * GENERATIONS * self.web_processes)


def demand() -> Demand:
    """Return the demand of these settings."""
    return Demand(settings.MACHINES, settings.WEB_PROCESSES, settings.DATABASE_POOL_SIZE, settings.WORKERS)


@register(TAG, Tags.database, deploy=True)
def connections_are_bounded(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Compare the demand for connections, a session's time limits and the role's rights with what the server says.

    Cost: five queries.
    """
    if not databases:
        return []
    with connection.cursor() as cursor:
        cursor.execute(SERVER)
        *granted, role, zone = cursor.fetchone()
        cursor.execute("SELECT name FROM pg_settings WHERE name = ANY (%s) AND setting = '0'", [list(LIMITS)])
        unlimited = sorted(name for (name,) in cursor.fetchall())
        cursor.execute(OWNED)
        (owned,) = cursor.fetchone()
    faults: list[CheckMessage] = [
        Error(
            f"{name} is 0: what takes for ever keeps its connection for ever.",
            hint=f"ALTER ROLE {role} SET {name} = '{LIMITS[name]}'; or set it in DATABASE_…_SECONDS.",
            id="luxewin.E037",
        )
        for name in unlimited
    ]
    if owned and settings.LUXEWIN_ENV != DEVELOPMENT:
        said = f"{role} serves and owns the tables: whoever takes over a process can switch off what guards the audit."
        faults.append(Warning(said, hint="Serve as a role of deploy/postgres/roles.sql.", id="luxewin.W008"))
    if settings.DATABASE_TRANSACTION_POOLER:
        # How many clients the pooler takes is its own setting, which no client can ask for.
        return faults + _session_state(role, zone)
    least = min(limit for limit in granted if limit >= 0)
    needed = demand()
    if needed.total > least:
        pool = needed.largest_pool(least)
        fix = f"Set DATABASE_POOL_SIZE to {pool}" if pool > 1 else "Start fewer processes"
        said = f"The processes may open {needed.total} database connections, and the server grants {least}."
        hint = f"{fix}, raise max_connections, or use a pooler (docs/operations.md, Database connections)."
        faults.append(Warning(said, hint=hint, id="luxewin.W005"))
    return faults


@register(TAG, Tags.database, deploy=True)
def replica_is_one(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that DATABASE_REPLICA_URL leads to a replica, and to one of this database. Cost: two queries."""
    if not databases or not replica.is_configured():
        return []
    hint = "Set DATABASE_REPLICA_URL to a streaming replica of DATABASE_URL's server, or unset it."
    try:
        ours, theirs = (_identity(alias) for alias in (DEFAULT_DB_ALIAS, replica.ALIAS))
    except DatabaseError as error:
        return [Warning(f"The replica does not answer: {_line(error)}", hint=hint, id="luxewin.W009")]
    if theirs[1] != ours[1]:
        said = "DATABASE_REPLICA_URL leads to a server that is no copy of DATABASE_URL's."
    elif not theirs[0]:
        said = "DATABASE_REPLICA_URL leads to a primary, not to a replica."
    else:
        return []
    return [Error(said, hint=hint, id="luxewin.E043")]


def _identity(alias: str) -> tuple[bool, int]:
    with connections[alias].cursor() as cursor:
        cursor.execute(SAME)
        is_replica, identifier = cursor.fetchone()
    return is_replica, identifier


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _session_state(role: str, zone: str) -> list[CheckMessage]:
    """Report a time zone that Django would have to set for a session, which the pooler hands to others."""
    if zone == "UTC":
        return []
    said = f"The server's time zone is {zone}: each new connection would change it for a session that others share."
    return [Error(said, hint=f"ALTER ROLE {role} SET timezone = 'UTC';", id="luxewin.E038")]
