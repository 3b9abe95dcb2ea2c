"""Delayed steps: the outcome of a debit or refund, and a dispute."""
# ruff: noqa: SLF001 (what localstripe must not export is underscored)

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from localstripe.resources import store

from dev.services.stripe_standin.asking import asked
from dev.services.stripe_standin.errors import StripeError

DEFAULT_SECONDS = 3.0


class Waiting(Protocol):
    """An object whose next step is due at `_due` (Unix time; None: it waits for nothing)."""

    id: str
    object: str
    _due: float | None

    def _finish(self) -> None: ...


class Later:
    """The delay of each step, set by `/_config/settings {"processing_seconds": 3}`; null: until `/_config/…/finish`."""

    def __init__(self) -> None:
        self.processing_seconds: float | None = DEFAULT_SECONDS
        self.write_down: Callable[[], None] = lambda: None

    def put_off(self, thing: Waiting) -> None:
        seconds = math.inf if self.processing_seconds is None else self.processing_seconds
        thing._due = time.time() + seconds
        self._arm(thing)

    def finish(self, thing: Waiting) -> None:
        """Take the step now. Raises StripeError if none is left."""
        if thing._due is None:
            raise StripeError(400, f"{thing.id} does not wait for an outcome.")
        asked.set(None)  # no request causes this
        thing._due = None
        thing._finish()
        self.write_down()

    def resume(self) -> None:
        """Continue everything that waits, after a restart."""
        for thing in list(store.values()):
            if getattr(thing, "_due", None) is not None:
                self._arm(thing)

    def _arm(self, thing: Any) -> None:
        if thing._due < math.inf:
            asyncio.get_running_loop().call_later(max(0, thing._due - time.time()), self._ring, thing, thing._due)

    def _ring(self, thing: Waiting, due: float) -> None:
        if thing._due == due and store.get(f"{thing.object}:{thing.id}") is thing:
            self.finish(thing)


later = Later()
