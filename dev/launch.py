"""Give every outside party an address before a `manage.py` command starts, on a developer's machine.

If all variables are set, nothing is done. Otherwise the command attaches to the embedded services of a running
`make run`, or starts its own until it ends.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from luxewin.environment import DEVELOPMENT, environment_name
from luxewin.launch import main as execute
from luxewin.progress import progress

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".luxewin"
# These read no data, or (run, demo) start the parts themselves and work in their own processes.
NEED_NO_SERVICES = frozenset(
    {"help", "version", "check", "compilemessages", "collectstatic", "spectacular", "run", "demo", "rotate_keys"}
    | {"diffsettings", "--help", "-h", "--version"}
)


def state_dir() -> Path:
    """Return where embedded services of daily work keep their data; LUXEWIN_STATE names another folder."""
    return Path(os.environ.get("LUXEWIN_STATE") or STATE / "run")


def data_dir(command: str) -> Path:
    """Return the data that a command uses: of `make run`, or of `make demo` if only that runs or ever ran."""
    run, demo = state_dir(), STATE / "demo"
    if command in {"run", "demo"} or os.environ.get("LUXEWIN_STATE") or not (demo / "postgres").exists():
        return run
    from dev import services

    if services.attached(run) is None and (services.attached(demo) is not None or not (run / "postgres").exists()):
        sys.stderr.write(f"This works on the data of `make demo`, in {demo}.\n")
        return demo
    return run


def main(argv: list[str]) -> None:
    """Run the command of `argv`, with embedded services if it needs them."""
    # Before anything is started: a typo must not count as development.
    named = environment_name(default="")
    # `check` reads data only with `--database`.
    asks_database = any(word.startswith("--database") for word in argv[2:])
    asks_help = bool({"--help", "-h"} & set(argv[2:]))
    needs_services = len(argv) > 1 and not asks_help and (argv[1] not in NEED_NO_SERVICES or asks_database)
    if named in {"", DEVELOPMENT} and argv[1:2] in (["run"], ["demo"]):
        execute(argv, _start_everything)
        return
    if named not in {"", DEVELOPMENT} or not needs_services:
        execute(argv)
        return
    try:
        from dev import services
    except ImportError:
        # With only the production dependencies installed, the variables must be set.
        execute(argv)
        return
    state = data_dir(argv[1])
    running = services.attached(state)
    if running is not None:
        os.environ.update(
            {name: value for name, value in running.items() if not {name, f"{name}_FILE"} & os.environ.keys()}
        )
        execute(argv)
        return
    if not services.unset_services():
        execute(argv)
        return
    try:
        with ExitStack() as ends:
            with progress(f"starting the embedded services in {state}"):
                environment = ends.enter_context(services.running(state))
            os.environ.update(environment)
            execute(argv)
    except services.ServiceError as error:
        sys.exit(f"The embedded services cannot start: {error}")


def _start_everything(argv: list[str]) -> None:
    """Run `run` or `demo`, which set LUXEWIN_ENV for their processes; in this one it may be unset."""
    import django
    from django.core.management import load_command_class

    django.setup()
    load_command_class("dev", argv[1]).run_from_argv(argv)
