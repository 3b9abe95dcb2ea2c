"""What `manage.py` does before Django starts: sees to it that every outside party has an address.

In production, or where all variables are set, that is nothing. Elsewhere it attaches to the embedded parts of a
running `make run`, or starts its own for as long as the command lasts.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from luxewin.environment import DEVELOPMENT, environment_name
from luxewin.progress import progress

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".luxewin"
# These read no data, or (run, demo) start the parts themselves and work in processes of their own.
NEED_NO_PARTS = frozenset(
    {"help", "version", "check", "compilemessages", "collectstatic", "spectacular", "run", "demo", "rotate_keys"}
    | {"diffsettings", "--help", "-h", "--version"}
)
NEED_NO_SETTINGS = frozenset({"help", "version", "check", "diffsettings", "--help", "-h", "--version"})


def state_dir() -> Path:
    """Where the embedded parts of daily work keep their data; LUXEWIN_STATE names another folder."""
    return Path(os.environ.get("LUXEWIN_STATE") or STATE / "run")


def data_dir(command: str) -> Path:
    """Whose data a command works on: those of `make run`, or of `make demo` where that runs alone or alone ever ran."""
    run, demo = state_dir(), STATE / "demo"
    if command in {"run", "demo"} or os.environ.get("LUXEWIN_STATE") or not (demo / "postgres").exists():
        return run
    from luxewin import parts

    if parts.attached(run) is None and (parts.attached(demo) is not None or not (run / "postgres").exists()):
        sys.stderr.write(f"This works on the data of `make demo`, in {demo}.\n")
        return demo
    return run


def main(argv: list[str]) -> None:
    """Runs the command of `argv`, with embedded parts where it needs some."""

    # Before anything is started: a typo must not pass for development.
    named = environment_name(default="")
    # Of what reads no data, `check --database default` does.
    asks_database = any(word.startswith("--database") for word in argv[2:])
    asks_help = bool({"--help", "-h"} & set(argv[2:]))
    needs_parts = len(argv) > 1 and not asks_help and (argv[1] not in NEED_NO_PARTS or asks_database)
    if named not in {"", DEVELOPMENT} or not needs_parts:
        _execute(argv)
        return
    try:
        from luxewin import parts
    except ImportError:
        # Only the production dependencies are installed: then the variables have to be set.
        _execute(argv)
        return
    state = data_dir(argv[1])
    running = parts.attached(state)
    if running is not None:
        os.environ.update(
            {name: value for name, value in running.items() if not {name, f"{name}_FILE"} & os.environ.keys()}
        )
        _execute(argv)
        return
    if not parts.unset_parts():
        _execute(argv)
        return
    try:
        with ExitStack() as ends:
            with progress(f"starting the embedded parts in {state}"):
                environment = ends.enter_context(parts.running(state))
            os.environ.update(environment)
            _execute(argv)
    except parts.PartError as error:
        sys.exit(f"The embedded parts cannot start: {error}")


def _execute(argv: list[str]) -> None:
    """Runs the command, unless a variable cannot be read: defaults in its place could be anything but harmless.

    The server's parent process never loads Django: its children do, anew when they are replaced, and refuse the same.
    """
    if argv[1:2] == ["serve"]:
        from luxewin.server.processes import main as serve

        serve(argv[2:])
    from django.conf import settings

    from luxewin.commands import execute_from_command_line

    # `check` names these faults among all others, and help needs no settings.
    if len(argv) > 1 and argv[1] not in NEED_NO_SETTINGS and settings.ENVIRONMENT.faults:
        from luxewin.checks import refuse_unsafe_settings

        refuse_unsafe_settings()
    execute_from_command_line(argv)
