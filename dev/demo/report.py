"""The final report for people, and the file for programs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dev.demo.cast import RAFFLES, Conduct
from dev.demo.ledger import Ledger
from luxewin import money

TITLE_WIDTH = 46


class Report:
    """The outcome of a story: rows, verdicts, seconds."""

    def __init__(self, ledger: Ledger, faults: Mapping[str, list[str]], seconds: Mapping[str, float]) -> None:
        self.ledger, self.faults, self.seconds = ledger, faults, seconds

    @property
    def holds(self) -> bool:
        """Whether every invariant holds."""
        return not any(self.faults.values())

    def as_json(self) -> dict[str, Any]:
        """Return `taken` in the minor unit; `picks`: ticket numbers in order; `verified`: null if not drawn."""
        return {
            "raffles": [self._row(raffle) for raffle in self._in_order()],
            "invariants": {name: not faults for name, faults in self.faults.items()},
            "seconds": {step: round(seconds, 2) for step, seconds in self.seconds.items()},
        }

    def write(self, folder: Path) -> None:
        """Write `report.json`, beside the ledger's bundles and entries files."""
        (folder / "report.json").write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n")

    def as_text(self) -> str:
        """Format the report for a terminal of 120 columns."""
        return "\n".join([*self._table(), "", *self._events(), "", *self._verdicts(), "", *self._costs()])

    def _in_order(self) -> list[dict[str, Any]]:
        """List the rows, with the story's raffles first."""
        mine = [self.ledger.story.raffles[name] for name in RAFFLES if name in self.ledger.story.raffles]
        rest = [each for each in self.ledger.raffles if each not in mine]
        return [self.ledger.raffles[each] for each in (*mine, *rest) if each in self.ledger.raffles]

    def _row(self, raffle: dict[str, Any]) -> dict[str, Any]:
        draw = self.ledger.draws.get(raffle["id"])
        return {
            "id": raffle["id"],
            "title": raffle["title"],
            "status": raffle["phase"],
            "capacity": raffle["tickets"]["capacity"],
            "sold": raffle["tickets"]["sold"],
            "held": raffle["tickets"]["held"],
            "taken": self.ledger.taken(raffle["id"]),
            "picks": draw.tickets if draw else [],
            "verified": draw.verified if draw else None,
        }

    def _table(self) -> Iterator[str]:
        widths = (TITLE_WIDTH, -8, 8, 6, 5, 13, -16, -8)
        yield _line(widths, ("raffle", "status", "capacity", "sold", "held", "taken", "picked tickets", "verified"))
        yield "─" * (sum(map(abs, widths)) + 2 * (len(widths) - 1))
        for raffle in self._in_order():
            row = self._row(raffle)
            verified = {True: "yes", False: "NO", None: "-"}[row["verified"]]
            counts = (f"{row['capacity']:,}", str(row["sold"]), str(row["held"]))
            picks = " ".join(map(str, row["picks"])) or "-"
            title = row["title"] if len(row["title"]) <= TITLE_WIDTH else row["title"][: TITLE_WIDTH - 1] + "…"
            cells = (title, row["status"], *counts, money.as_text(row["taken"], raffle["currency"]), picks, verified)
            yield _line(widths, cells)

    def _events(self) -> Iterator[str]:
        story = self.ledger.story
        paid = {person.email for person, each in self.ledger.paid() if each["route"] == "card"}
        waited, asked = (
            sum(person.email in paid for person in story.with_conduct(conduct))
            for conduct in (Conduct.WAITS, Conduct.ASKS)
        )
        yield "What happened"
        yield f"  {len(story.people)} people registered and verified their address, {len(paid)} of them bought tickets."
        yield f"  Tickets came by the webhook alone for {waited}, by asking purchases/verify right away for {asked}."
        for person in story.with_conduct(Conduct.IS_DECLINED):
            yield f"  {person.part.name}: first card {person.decline}, the second was good."
        for person in story.with_conduct(Conduct.DOUBLE_CLICKS):
            made = len({answer["id"] for answer in person.answers})
            yield f"  {person.part.name} clicked twice under one Idempotency-Key: {made} purchase."
        for person in story.with_conduct(Conduct.ABANDONS):
            states = ", ".join(each["status"] for owner, each in self.ledger.purchases if owner is person)
            yield f"  {person.part.name} left the checkout: the hold of {person.part.quantity} is {states}."
        for person in story.with_conduct(Conduct.ASKS_TOO_MUCH):
            answer = f"{person.refusal.status} {person.refusal.code}" if person.refusal else "not refused"
            yield f"  {person.part.name} asked for {person.part.quantity}: {answer}; later bought what came back."
        for person in story.with_conduct(Conduct.ANSWERS_WRONGLY):
            answer = f"{person.refusal.status} {person.refusal.code}" if person.refusal else "not refused"
            yield f"  {person.part.name} did not know the answer: {answer}; the right one let them buy."
        for person in story.with_conduct(Conduct.DISPUTES):
            states = ", ".join(each["status"] for each in self.ledger.disputes if each["id"] == person.dispute)
            yield f"  {person.part.name} disputed the payment: the dispute is {states}, the tickets stay."
        for person in story.with_conduct(Conduct.WRITES):
            states = ", ".join(each["status"] for owner, each in self.ledger.purchases if owner is person)
            yield f"  {person.part.name} wrote a letter: {person.part.quantity} free tickets in that draw, {states}."

    def _verdicts(self) -> Iterator[str]:
        yield "Invariants"
        for name, faults in self.faults.items():
            yield f"  {'NO ' if faults else 'yes'}  {name.replace('_', ' ')}"
            for fault in faults:
                yield f"         {fault}"

    def _costs(self) -> Iterator[str]:
        yield "Seconds"
        yield "  " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in self.seconds.items())


def _line(widths: tuple[int, ...], cells: tuple[str, ...]) -> str:
    """Format cells in columns; except for the first, positive widths are numbers, aligned right."""
    first, *others = zip(widths, cells, strict=True)
    aligned = [f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}" for width, cell in others]
    return "  ".join([f"{first[1]:<{first[0]}}", *aligned]).rstrip()
