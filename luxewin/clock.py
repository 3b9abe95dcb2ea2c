"""The clock: the database's decides, and a process whose own is another than that refuses to work.

What is stored or compared in the database is written with `Now()` by the database itself; `database_now` is for where
Python needs the value. Signatures, tokens, codes of authenticators and outside libraries read the process's own clock:
they are right because a process that is more than MOST_SECONDS off takes no work (see `is_off`).
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
# How long a measurement is good for; a step of the process's own clock is seen at once in any case.
KEPT_SECONDS = 10.0
# A query that was under way for longer measures nothing.
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
        """Return what Django's own field says of itself."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.DateTimeField", arguments, options

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Have the database write its time; `save` reads it back."""
        return Now()


@dataclass(frozen=True, slots=True)
class Offset:
    """How far this process's clock was ahead of the database's, in seconds; behind is negative."""

    seconds: float
    error: float  # half the round trip: the true offset is at most so far from `seconds`
    wall: float  # this process's clock when it was measured
    monotonic: float

    def now(self) -> float:
        """Return the offset at this moment: what this process's clock stepped since is added. Asks nobody."""
        return self.seconds + (time.time() - self.wall) - (time.monotonic() - self.monotonic)

    @property
    def is_off(self) -> bool:
        """Whether it is surely more than MOST_SECONDS by now."""
        return abs(self.now()) - self.error > MOST_SECONDS

    @property
    def is_stale(self) -> bool:
        """Whether it has to be measured again: after KEPT_SECONDS, or because this process's clock stepped."""
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
    """Return this process's offset, measured now; None if the database does not say it. Cost: one short query."""
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
    # As it was found then: by now this process's clock may have been set.
    _tell(_last, was_off=before is not None and abs(before.seconds) - before.error > MOST_SECONDS)
    return _last


def _tell(found: Offset, *, was_off: bool) -> None:
    """Alarm: the log here, and a row for the health of other processes. `was_off` is of the measurement before."""
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

    Of several threads at once one measures, and the others go on with what is known. Cost: as a rule nothing, one short
    query every KEPT_SECONDS.
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

    Unknown is not off: where the database does not answer, nothing is written anyway.
    """
    known = offset()
    return known is not None and known.is_off


def fault() -> str:
    """Return what is wrong with this process's clock by the newest measurement, or nothing. Asks nobody."""
    return str(_last) if _last is not None and _last.is_off else ""


def probe() -> None:
    """Health's: raise RuntimeError that names the clock if it is off."""
    known = offset()
    if known is not None and known.is_off:
        raise RuntimeError(str(known))
