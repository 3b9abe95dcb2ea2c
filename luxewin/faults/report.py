"""Faults room: what a run found, as a Markdown table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from luxewin.faults.books import Loss

HEAD = ("fault", "what happens", "injected", "purchases", *Loss, "recovered after (s)")


@dataclass
class Outcome:
    """What one fault did."""

    name: str
    summary: str
    injected: int = 0
    purchases: int = 0
    seconds: float = 0.0
    losses: dict[Loss, list[str]] = field(default_factory=dict)
    #: Why the trial could not be held to its end.
    trouble: str = ""


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each fault."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for each in outcomes:
        lost = [str(len(each.losses.get(loss, ()))) for loss in Loss]
        cells = [f"`{each.name}`", each.summary, str(each.injected), str(each.purchases), *lost, f"{each.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """Everything that is wrong with a run, in words; nothing if the run is clean."""
    found = []
    for each in outcomes:
        if each.trouble:
            found.append(f"{each.name}: {each.trouble}")
        elif not each.injected:
            found.append(f"{each.name}: the fault was never triggered")
        found += [f"{each.name}: {loss}: {what}" for loss, all_of_it in each.losses.items() for what in all_of_it]
    return found
