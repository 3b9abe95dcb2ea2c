"""Logging that an outage cannot flood: one entry per cause and interval, and a count of the rest."""

import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from django.db import DatabaseError, InterfaceError
from pythonjsonlogger.json import JsonFormatter

from luxewin.database import causes

# Entries per template and interval when there is no exception to tell their cause.
BURST = 20
# Causes remembered at once; request ids listed with a count.
MOST_CAUSES, MOST_IDS = 1_000, 5
# Characters of one entry, traceback included: its beginning and its end, which holds the reason.
HEAD, TAIL = 1_500, 6_000
# Classes of SQLSTATE about the database itself (its connections, space, locks, time), not one statement.
OF_THE_DATABASE = {"08", "25", "40", "53", "55", "57", "58", "XX"}
# The parts that differ between two already formatted messages of one cause.
DETAILS = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-f]{8}[0-9a-f-]*\b|\d+")


class BoundedFormatter(logging.Formatter):
    """Format an entry with its traceback, and cut the middle of a very long one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return slightly more than HEAD + TAIL characters at most."""
        return _bounded(super().format(record))


class BoundedJsonFormatter(JsonFormatter):
    """Format an entry as one line of JSON, for who collects logs; message and traceback are cut as above."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "request_id", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add the time by RFC 3339, and leave out what `extra` gave for the log itself."""
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        super().add_fields(log_data, record, message_dict)
        for name in {"cause", "request", "status_code", "server_time"} & log_data.keys():
            del log_data[name]
        for name in {"message", "traceback"} & log_data.keys():
            log_data[name] = _bounded(str(log_data[name]))


def _bounded(text: str) -> str:
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n… {len(text) - HEAD - TAIL} characters left out …\n{text[-TAIL:]}"


@dataclass(slots=True)
class _Cause:
    """A cause within its interval."""

    since: float
    record: logging.LogRecord
    written: int
    left_out: int = 0
    ids: tuple[str, ...] = ()


class OncePerCauseHandler(logging.StreamHandler[Any]):
    """Write the first entry of each cause in every `interval` seconds, and later how many more there were.

    Warnings and errors are counted, per process; everything else, and everything while `interval` is 0, is written at
    once. Two entries have one cause if the same state of the database, or the same exception from the same place, is
    behind them; `extra={"cause": "…"}` names it. Without an exception, BURST entries of one template pass. A count is
    written with the next entry after its interval, or when the process ends.
    """

    def __init__(self, interval: float = 60.0, stream: Any = None) -> None:
        super().__init__(stream)
        self.interval = interval
        self._causes: dict[Any, _Cause] = {}
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count the entry. The caller (`handle`) holds the handler's lock."""
        now = monotonic()
        if self._pid != os.getpid():
            # Forked: the parent reports its own counts.
            self._pid, self._causes = os.getpid(), {}
        self._report(now - self.interval)
        if record.levelno < logging.WARNING or not self.interval or self._is_first(record, now):
            super().emit(record)

    def close(self) -> None:
        """Write the counts."""
        if self._pid == os.getpid():
            self._report(float("inf"))
        super().close()

    def _is_first(self, record: logging.LogRecord, now: float) -> bool:
        key, most = _cause_of(record)
        cause = self._causes.get(key)
        if cause is None:
            if len(self._causes) >= MOST_CAUSES:
                self._report(float("inf"))
            cause = self._causes[key] = _Cause(now, record, written=0)
        if cause.written < most:
            cause.written += 1
            return True
        cause.left_out += 1
        request_id = getattr(record, "request_id", "-")
        if request_id != "-" and len(cause.ids) < MOST_IDS:
            cause.ids += (request_id,)
        return False

    def _report(self, before: float) -> None:
        """Forget the causes that began before this time, and write the counts of repeated ones."""
        for key in [key for key, cause in self._causes.items() if cause.since <= before]:
            cause = self._causes.pop(key)
            if cause.left_out:
                super().emit(self._summary(cause))

    def _summary(self, cause: _Cause) -> logging.LogRecord:
        first = cause.record
        text = f"{cause.left_out} more like this in {self.interval:g} s, left out: {_first_line(first)}"
        if cause.ids:
            text += f" (requests {', '.join(cause.ids)}{', …' if cause.left_out > len(cause.ids) else ''})"
        summary = logging.LogRecord(first.name, first.levelno, first.pathname, first.lineno, text, None, None)
        self.filter(summary)
        summary.request_id = "-"
        return summary


def _cause_of(record: logging.LogRecord) -> tuple[Any, int]:
    """Return the cause's key, and how many of its entries are written in an interval."""
    if named := getattr(record, "cause", None):
        return (record.name, named), 1
    error = record.exc_info[1] if record.exc_info else _exception_among(record.args)
    if error is None:
        if status := getattr(record, "status_code", None):
            # Django's own entry about a response; its cause is logged separately.
            return (record.name, status), 1
        template = record.msg if record.args else DETAILS.sub("#", _last_line(record))
        return (record.name, template), BURST
    if state := _database_state(error):
        return state, 1
    *_, root = causes(error)
    place = _place(root) if record.exc_info else ""
    return (record.name, record.msg, type(root).__qualname__, getattr(root, "errno", None), place), 1


def _database_state(error: BaseException) -> tuple[str, str] | None:
    """Return the SQLSTATE if there is one, else the kind of connection failure; None if it is neither."""
    for each in causes(error):
        if state := getattr(each, "sqlstate", None):
            return ("database", state) if state[:2] in OF_THE_DATABASE else None
    silent = next((each for each in causes(error) if isinstance(each, DatabaseError | InterfaceError)), None)
    return ("database", type(silent.__cause__ or silent).__qualname__) if silent else None


def _exception_among(arguments: Any) -> BaseException | None:
    values = arguments.values() if isinstance(arguments, dict) else arguments or ()
    return next((each for each in values if isinstance(each, BaseException)), None)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


def _first_line(record: logging.LogRecord) -> str:
    return next(iter(record.getMessage().splitlines()), "")[:200]


def _last_line(record: logging.LogRecord) -> str:
    return next((line for line in reversed(record.getMessage().splitlines()) if line.strip()), "")[:200]
