"""What goes wrong when an embedded service is started, in one line that says what, why and where to look."""

from pathlib import Path

LAST_LINES = 3


class ServiceError(RuntimeError):
    """A part cannot start or run. The message is one line, meant to be shown as it is."""


class StateInUseError(ServiceError):
    """Another living supervisor, or what is left of one that is being stopped, holds the state folder."""


def last_words(log: Path) -> str:
    """The last lines of a log on one line, with the log's path; never raises."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return f"last words: {' | '.join(lines[-LAST_LINES:]) or '(none)'}; log: {log}"
