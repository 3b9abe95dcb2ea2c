"""What a measurement is, and the list of them."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.bench.ground import Ground


class BenchError(RuntimeError):
    """A measurement cannot be made, or would not mean what it says. The message is meant to be shown as it is."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a measurement found: one sample a round of the product and of its yardstick, in the same unit."""

    values: Sequence[float]
    yardsticks: Sequence[float]
    #: What else was seen, for people.
    note: str = ""

    @property
    def value(self) -> float:
        """The product's median."""
        return median(self.values)

    @property
    def yardstick(self) -> float:
        """The yardstick's median."""
        return median(self.yardsticks)

    @property
    def ratio(self) -> float:
        """Value by yardstick: of a rate, above 1 means that the product does more. 0 where the yardstick is 0."""
        return self.value / self.yardstick if self.yardstick else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named function that makes a figure."""

    name: str
    unit: str
    run: Callable[["Ground"], Figure]

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, on one line."""
        return " ".join((inspect.getdoc(self.run) or "").partition("\n\n")[0].split())


_measurements: dict[str, Measurement] = {}


def measurement(*, unit: str) -> Callable[[Callable[["Ground"], Figure]], Callable[["Ground"], Figure]]:
    """Registers a function under its own name. It gets the ground, of which it starts what it needs."""

    def register(run: Callable[["Ground"], Figure]) -> Callable[["Ground"], Figure]:
        _measurements[run.__name__] = Measurement(run.__name__, unit, run)
        return run

    return register


def known() -> dict[str, Measurement]:
    """Every measurement of this folder by name, in the order of their files and lines."""
    for module in sorted(each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if not module.startswith("_"):
            importlib.import_module(f"dev.bench.{module}")
    return dict(_measurements)


def chosen(names: str) -> list[Measurement]:
    """Those of a comma-separated list, all for an empty one. Raises BenchError naming the unknown and the known."""
    everything = known()
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in everything]:
        raise BenchError(f"unknown: {', '.join(unknown)}; there are {', '.join(everything)}")
    return [everything[name] for name in dict.fromkeys(wanted or everything)]
