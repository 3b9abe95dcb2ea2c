"""The clock: the database's decides, and a process whose own clock differs too much refuses to work.

What is stored or compared in the database is written with `Now()` by the database itself; `database_now` is for where
Python needs the value. Signatures, tokens, authenticator codes and outside libraries read the process's own clock: they
are right because a process that is more than MOST_SECONDS off takes no work (see `is_off`).
"""

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import Error, connection, models
from django.db.models.functions import Now

log = logging.getLogger(__name__)
MOST_SECONDS = 5.0
# How long a measurement is valid; a step of the process's own clock is noticed at once in any case.
KEPT_SECONDS = 10.0
# A query that takes longer measures nothing.
SLOWEST_SECONDS = 2.0


def database_now() -> datetime:
    """Return what `Now()` is at this moment. Cost: one query that reads no table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


class UpdatedAtField(models.DateTimeField):
    """`auto_now` by the database's clock. In migrations it is a plain DateTimeField."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"auto_now": True})

    def deconstruct(self) -> Any:
        """Return Django's own field for migrations."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.DateTimeField", arguments, options

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Have the database write its time; `save` reads it back."""
        return Now()


@dataclass(frozen=True, slots=True)
class Offset:
    """How far this process's clock was ahead of the database's, in seconds; behind is negative."""

    seconds: float
    error: float  # half the round trip: the most that the true offset differs from `seconds`
    wall: float  # this process's clock when it was measured
    monotonic: float

    def now(self) -> float:
        """Return the current offset, adding later steps of this process's clock. Makes no query."""
        return self.seconds + (time.time() - self.wall) - (time.monotonic() - self.monotonic)

    @property
    def is_off(self) -> bool:
        """Whether it is certainly more than MOST_SECONDS by now."""
        return abs(self.now()) - self.error > MOST_SECONDS

    @property
    def is_stale(self) -> bool:
        """Whether it must be measured again: after KEPT_SECONDS, or because this process's clock stepped."""
        return time.monotonic() - self.monotonic > KEPT_SECONDS or abs(self.now() - self.seconds) > 1

    def __str__(self) -> str:
        seconds = self.now()
        return (
            f"this process's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the database's; "
            f"set both by NTP: above {MOST_SECONDS:.0f} s it takes no work"
        )


_lock = threading.Lock()
_last: Offset | None = None


def measure() -> Offset | None:
    """Return this process's offset, measured now; None if the database does not answer. Cost: one short query."""
    global _last
    began, wall = time.monotonic(), time.time()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            theirs = cursor.fetchone()[0]
    except Error as error:
        log.debug("the clock could not be measured: %s", error)
        return None
    ended = time.monotonic()
    if ended - began > SLOWEST_SECONDS:
        return None
    half = (ended - began) / 2
    before, _last = _last, Offset(wall + half - theirs, half, wall + half, began + half)
    # The offset as measured: this process's clock may have been set since.
    _tell(_last, was_off=before is not None and abs(before.seconds) - before.error > MOST_SECONDS)
    return _last


def _tell(found: Offset, *, was_off: bool) -> None:
    """Log and store whether the clock is wrong, for other processes' health. `was_off` is of the measurement before."""
    from luxewin.models import WrongClock

    process = f"{socket.gethostname()[-80:]}:{os.getpid()}"
    try:
        if found.is_off:
            log.critical("%s", found, extra={"cause": "clock"})
            WrongClock.note(process, found.now())
        elif was_off:
            log.warning("this process's clock is right again")
            WrongClock.objects.filter(process=process).delete()
    except Error as error:
        log.debug("the clock's state could not be written down: %s", error)


def offset() -> Offset | None:
    """Return the newest measurement, made now if it is stale; None if there never was one.

    Of concurrent threads one measures, and the others use the known one. Cost: usually nothing, one short query every
    KEPT_SECONDS.
    """
    known = _last
    if known is not None and not known.is_stale:
        return known
    if not _lock.acquire(blocking=False):
        return known
    try:
        return measure() or known
    finally:
        _lock.release()


def is_off() -> bool:
    """Whether this process must not work: its clock is more than MOST_SECONDS from the database's.

    Unknown does not count: if the database does not answer, nothing is written anyway.
    """
    known = offset()
    return known is not None and known.is_off


def fault() -> str:
    """Return what is wrong with this process's clock by the newest measurement, or nothing. Makes no query."""
    return str(_last) if _last is not None and _last.is_off else ""


def probe() -> None:
    """Raise RuntimeError that names the clock if it is off; for health."""
    known = offset()
    if known is not None and known.is_off:
        raise RuntimeError(str(known))
