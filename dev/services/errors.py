"""Errors of embedded services, in one line that says what failed, why and where to look."""

from pathlib import Path

LAST_LINES = 3


class ServiceError(RuntimeError):
    """A part cannot start or run. The message is one line to show unchanged."""


class StateInUseError(ServiceError):
    """Another running supervisor, or processes of one that is being stopped, hold the state folder."""


def last_words(log: Path) -> str:
    """Return the last lines of a log on one line, with the log's path; never raises."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return f"last words: {' | '.join(lines[-LAST_LINES:]) or '(none)'}; log: {log}"
