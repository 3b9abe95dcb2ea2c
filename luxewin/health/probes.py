"""The probes and their results."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from django.db import connection

log = logging.getLogger(__name__)
# A probe that answers later counts as down; results are kept so that a flood of requests asks nobody.
PATIENCE_SECONDS = 3.0
KEPT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """A call that returns if the part works and raises with a one-line reason if not."""

    name: str
    call: Callable[[], None]
    required: bool


@dataclass(frozen=True, slots=True)
class Health:
    """One part's state: `ok` or `down`, and why."""

    name: str
    state: str
    required: bool
    detail: str = ""


_probes: dict[str, Probe] = {}
_lock = Lock()
_last: tuple[float, list[Health]] = (float("-inf"), [])


def register(name: str, call: Callable[[], None], *, required: bool = False) -> None:
    """Adds a part. `required` means: without it no request can be served, so the process is not ready."""
    _probes[name] = Probe(name, call, required)


def examine() -> list[Health]:
    """The state of every part, at most KEPT_SECONDS old; takes PATIENCE_SECONDS at most."""
    global _last  # noqa: PLW0603 the kept result of this process
    with _lock:
        if monotonic() - _last[0] > KEPT_SECONDS:
            _last = (monotonic(), _examine_all())
        return _last[1]


def _examine_all() -> list[Health]:
    pool = ThreadPoolExecutor(max_workers=len(_probes) or 1)
    futures = {probe: pool.submit(_examine, probe) for probe in _probes.values()}
    wait(futures.values(), timeout=PATIENCE_SECONDS)
    pool.shutdown(wait=False)
    late = "no answer within 3 s"
    return [
        future.result() if future.done() else Health(probe.name, "down", probe.required, late)
        for probe, future in futures.items()
    ]


def _examine(probe: Probe) -> Health:
    try:
        probe.call()
    except Exception as error:  # noqa: BLE001 whatever a part raises is its state
        log.warning("%s is down: %s", probe.name, error, extra={"cause": probe.name})
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return Health(probe.name, "down", probe.required, reason[:200])
    finally:
        # This thread's own connection, if the probe opened one.
        connection.close()
    return Health(probe.name, "ok", probe.required)
