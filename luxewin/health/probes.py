"""Health probes: threads of their own examine the parts, and requests get the latest results."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from time import monotonic

from django.db import connections

log = logging.getLogger(__name__)
# A probe that takes longer counts as down, and is not called again before it has returned.
PATIENCE_SECONDS = 3.0
# From the end of one examination to the next. Our own parts cost a round trip; outside parties limit requests.
EVERY_SECONDS, EVERY_SECONDS_OUTSIDE = 3.0, 15.0
DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Health:
    """One part's state: `ok`, `down`, or `unknown` until it has been examined once; `age` is in seconds.

    `detail` gives the reason and may name hosts: it is only for staff and the log.
    """

    name: str
    state: str
    required: bool
    age: float | None = None
    detail: str = ""


@dataclass(slots=True)
class Probe:
    """A call that returns if the part works, else raises with a one-line reason; and its latest result."""

    name: str
    call: Callable[[], None]
    required: bool
    every: float = EVERY_SECONDS
    #: When the current examination began, if there is one.
    began_at: float | None = None
    #: State, detail and time of the last finished examination.
    found: tuple[str, str, float] | None = None

    def health(self) -> Health:
        """Return what is known now, without waiting."""
        now, began, found = monotonic(), self.began_at, self.found
        if began is not None and now - began > PATIENCE_SECONDS:
            return Health(self.name, "down", self.required, now - began, f"no answer for {now - began:.0f} s")
        if found is None:
            return Health(self.name, "unknown", self.required)
        state, detail, at = found
        return Health(self.name, state, self.required, now - at, detail)

    def examine(self) -> None:
        """Call once and record the result."""
        self.began_at = monotonic()
        state, detail = "ok", ""
        try:
            self.call()
        except Exception as error:  # noqa: BLE001 whatever a part raises is its state
            state = "down"
            detail = next(iter(str(error).splitlines()), "")[:DETAIL_CHARACTERS] or type(error).__name__
            log.warning("%s is down: %s", self.name, error, extra={"cause": self.name})
        finally:
            # Close this thread's own connections, if the probe opened one.
            connections.close_all()
        self.found, self.began_at = (state, detail, monotonic()), None


@dataclass(slots=True)
class _Examiner:
    """The threads of this process, one per probe: a part that hangs holds up only its own."""

    probes: dict[str, Probe] = field(default_factory=dict)
    _threads: dict[str, Thread] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    def start(self) -> None:
        """Start the threads that are not running: all at first, and again in a process forked since."""
        # The lock is held no longer than it takes to start threads.
        with self._lock:
            for name, probe in self.probes.items():
                thread = self._threads.get(name)
                if thread is None or not thread.is_alive():
                    loop = Thread(target=self._loop, args=(probe, self._stopped), name=f"probe-{name}", daemon=True)
                    self._threads[name] = loop
                    loop.start()

    def stop(self) -> None:
        """End the threads, discard their results, and wait for those that do not hang. For tests."""
        with self._lock:
            self._stopped.set()
            for thread in self._threads.values():
                thread.join(PATIENCE_SECONDS)
            self._threads.clear()
            self._stopped = Event()
            for probe in self.probes.values():
                probe.found = probe.began_at = None

    @staticmethod
    def _loop(probe: Probe, stopped: Event) -> None:
        while not stopped.is_set():
            probe.examine()
            stopped.wait(probe.every)


EXAMINER = _Examiner()
start = EXAMINER.start


def register(name: str, call: Callable[[], None], *, required: bool = False, every: float = EVERY_SECONDS) -> None:
    """Add a part, examined every `every` seconds in each web process.

    `required` means: without it no request can be served, so the process is not ready.
    """
    EXAMINER.probes[name] = Probe(name, call, required, every)


def examine() -> list[Health]:
    """Return the state of every part as it was last examined, without waiting."""
    EXAMINER.start()
    return [probe.health() for probe in EXAMINER.probes.values()]
