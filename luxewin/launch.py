"""Start of `manage.py`, before Django."""

from collections.abc import Callable

NEED_NO_SETTINGS = frozenset({"help", "version", "check", "diffsettings", "--help", "-h", "--version"})


def main(argv: list[str], run: Callable[[list[str]], None] | None = None) -> None:
    """Run the command of `argv`, by `run` if given, unless a variable cannot be read.

    A default in place of an unreadable value could do harm.

    The server's parent process never loads Django: its children do, anew when they are replaced, and refuse the same.
    """
    if argv[1:2] == ["serve"]:
        from luxewin.server.processes import main as serve

        serve(argv[2:])
    from django.conf import settings

    from luxewin.commands import execute_from_command_line

    # `check` reports these faults with all others, and help needs no settings.
    if len(argv) > 1 and argv[1] not in NEED_NO_SETTINGS and settings.ENVIRONMENT.faults:
        from luxewin.checks import refuse_unsafe_settings

        refuse_unsafe_settings()
    (run or execute_from_command_line)(argv)
