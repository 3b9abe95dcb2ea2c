"""What a scenario is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dev.faults.draw_stage import DrawTrial
from dev.faults.stage import Trial


@dataclass(frozen=True)
class Scenario:
    """A fault; `play` brings it about as often as the trial says.

    Scenarios of one `wave`, which follow each other, are played `at_once` at a time, and the books are looked at when
    all have been played: what waits for a lease waits together.
    """

    name: str
    summary: str
    play: Callable[[Any], None]
    trial: type[Trial] | type[DrawTrial] = Trial
    wave: str = ""
    at_once: int = 1
