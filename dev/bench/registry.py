"""Measurements, and the list of them."""

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
    """A measurement cannot be made, or would be misleading. The message is to be shown unchanged."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The result of a measurement: one sample per round of the product and its yardstick, in the same unit."""

    values: Sequence[float]
    yardsticks: Sequence[float]
    #: Other observations, for people.
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
        """Value divided by yardstick: for a rate, above 1 means that the product does more. 0 if the yardstick is 0."""
        return self.value / self.yardstick if self.yardstick else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named function that makes a figure."""

    name: str
    unit: str
    run: Callable[["Ground"], Figure]
    #: Whether it takes so long that only `--full`, or its own name, asks for it.
    is_long: bool = False

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, on one line."""
        return " ".join((inspect.getdoc(self.run) or "").partition("\n\n")[0].split())


_measurements: dict[str, Measurement] = {}


def measurement(
    *, unit: str, is_long: bool = False
) -> Callable[[Callable[["Ground"], Figure]], Callable[["Ground"], Figure]]:
    """Register a function under its own name. It gets the ground, and starts what it needs of it."""

    def register(run: Callable[["Ground"], Figure]) -> Callable[["Ground"], Figure]:
        _measurements[run.__name__] = Measurement(run.__name__, unit, run, is_long)
        return run

    return register


def known() -> dict[str, Measurement]:
    """Return every measurement of this folder by name, in the order of files and lines."""
    for module in sorted(each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if not module.startswith("_"):
            importlib.import_module(f"dev.bench.{module}")
    return dict(_measurements)


def chosen(names: str, *, with_long: bool = True) -> list[Measurement]:
    """Select from a comma-separated list; if it is empty, all, the long ones `with_long` only.

    Raises BenchError naming the unknown and the known.
    """
    everything = known()
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in everything]:
        raise BenchError(f"unknown: {', '.join(unknown)}; there are {', '.join(everything)}")
    usual = [name for name, each in everything.items() if with_long or not each.is_long]
    return [everything[name] for name in dict.fromkeys(wanted or usual)]
