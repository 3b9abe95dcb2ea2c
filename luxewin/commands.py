"""Management commands by the right clock: a process with a wrong clock runs no command that writes."""

import sys
from typing import Any

from django.core.management import BaseCommand, ManagementUtility
from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from luxewin import clock
from luxewin.progress import progress

# These write nothing, start processes that check themselves, or are an operator's manual actions.
BY_ANY_CLOCK = frozenset(
    {"help", "version", "check", "doctor", "diffsettings", "makemigrations", "showmigrations", "sqlmigrate", "sqlflush"}
    | {"collectstatic", "compilemessages", "makemessages", "findstatic", "spectacular", "generateschema", "contract"}
    | {"rotate_keys", "serve", "worker", "runserver", "shell", "dbshell", "inspectdb", "dumpdata"}
    | {"verify_draw", "verify_audit", "test", "testserver", "qinfo", "qmonitor", "qmemory"}
)


class LongCommand(BaseCommand):
    """A command of `manage.py` that may work for minutes, and then reports that it does."""

    def execute(self, *args: Any, **options: Any) -> Any:
        name = type(self).__module__.rpartition(".")[2]
        with progress(f"{name} is at work"):
            return super().execute(*args, **options)


class _ByTheRightClock(ManagementUtility):
    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return the command, or exit with a message that names the clock."""
        command = super().fetch_command(subcommand)
        only_asks = {"help", "--help", "-h"} & set(self.argv[1:])
        if subcommand not in BY_ANY_CLOCK and not only_asks and clock.is_off():
            sys.exit(f"{subcommand} was not run: {clock.offset()}.")
        return command


def execute_from_command_line(argv: list[str]) -> None:
    """Run the command of `argv`, unless it may write and this process's clock is wrong.

    Exit with a message if the database has no tables yet.
    """
    try:
        _ByTheRightClock(argv).execute()
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        sys.exit("The database has no tables yet: run `manage.py migrate` first, or `make run` or `make demo`.")
