"""The findings of a run, as a Markdown table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any

from dev.faults.books import Loss


@dataclass
class Outcome:
    """The effect of one fault on so many `counted`; `columns` are what can be lost of them."""

    name: str
    summary: str
    injected: int = 0
    count: int = 0
    seconds: float = 0.0
    losses: Mapping[Any, list[str]] = field(default_factory=dict)
    #: Why the trial could not be finished.
    trouble: str = ""
    counted: str = "purchases"
    columns: type[StrEnum] = Loss


def head(counted: str, columns: type[StrEnum]) -> tuple[str, ...]:
    """Return the headings of a table's columns."""
    return ("fault", "what happens", "injected", counted, *columns, "recovered after (s)")


def table(outcomes: Sequence[Outcome]) -> str:
    """Format a row for each fault, and a table for each run of faults of one kind."""
    kinds = groupby(outcomes, key=lambda each: (each.counted, each.columns))
    return "\n\n".join(_table(head(*kind), list(rows)) for kind, rows in kinds)


def _table(heads: tuple[str, ...], outcomes: Sequence[Outcome]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for each in outcomes:
        lost = [str(len(each.losses.get(loss, ()))) for loss in each.columns]
        cells = [f"`{each.name}`", each.summary, str(each.injected), str(each.count), *lost, f"{each.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """List everything that is wrong with a run, in words; empty if the run is clean."""
    found = []
    for each in outcomes:
        if each.trouble:
            found.append(f"{each.name}: {each.trouble}")
        elif not each.injected:
            found.append(f"{each.name}: the fault was never triggered")
        found += [f"{each.name}: {loss}: {what}" for loss, all_of_it in each.losses.items() for what in all_of_it]
    return found
