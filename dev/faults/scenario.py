"""Scenarios of faults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dev.faults.draw_stage import DrawTrial
from dev.faults.stage import Trial


@dataclass(frozen=True)
class Scenario:
    """A fault; `play` causes it as often as the trial says.

    Consecutive scenarios of one `wave` are played `at_once` at a time, and the books are checked after all of them, so
    that what waits for a lease waits together.
    """

    name: str
    summary: str
    play: Callable[[Any], None]
    trial: type[Trial] | type[DrawTrial] = Trial
    wave: str = ""
    at_once: int = 1
