"""The books of one raffle compared with Stripe's, and what is lost between them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import psycopg

from dev.demo.parties import Till

HOLDING = {"pending", "processing"}
PURCHASES = """
    SELECT id::text, buyer_id::text, status, quantity, amount, first_ticket
    FROM purchases_purchase WHERE raffle_id = %s ORDER BY id
"""
COUNTER = "SELECT held, sold FROM raffles_ticketcounter WHERE raffle_id = %s"
TALLIES = "SELECT user_id::text, taken FROM purchases_persontally WHERE raffle_id = %s AND taken > 0"
UNFINISHED_REFUNDS = """
    SELECT refund.id::text, refund.status FROM purchases_refund AS refund
    JOIN purchases_payment AS payment ON payment.id = refund.payment_id
    JOIN purchases_purchase AS purchase ON purchase.id = payment.purchase_id
    WHERE purchase.raffle_id = %s AND refund.status <> 'succeeded'
"""


class Loss(StrEnum):
    """What can be lost; the columns of the report."""

    TWICE = "charged twice"
    MONEY = "money without tickets"
    TICKETS = "tickets without money"
    HOLDS = "holds left"
    WRONG = "numbers or promises wrong"


class Row(NamedTuple):
    """A purchase as the database has it."""

    id: str
    buyer: str
    status: str
    quantity: int
    amount: int
    first: int | None

    @property
    def numbers(self) -> list[int]:
        """Its ticket numbers, even if it was refunded later."""
        return [] if self.first is None else list(range(self.first, self.first + self.quantity))


@dataclass
class Promise:
    """What one buyer wanted and was told; at most one of the purchases may cost them money."""

    buyer: str
    #: Ids of the purchases that the API returned to them, in order.
    purchases: list[str] = field(default_factory=list)
    #: The first and last ticket number that they were told.
    told: tuple[int, int] | None = None
    #: Why they left without what they wanted.
    trouble: str = ""


@dataclass
class Books:
    """One raffle: rows of the database, and the money per purchase that Stripe took and did not refund."""

    rows: list[Row]
    held: int
    sold: int
    tallies: dict[str, int]
    unfinished_refunds: list[str]
    kept: Counter[str]

    @classmethod
    def of(cls, raffle: str, database: str, till: Till) -> "Books":
        """Read both sides. Raises psycopg.Error or httpx.HTTPError while one of them is down."""
        with psycopg.connect(database, connect_timeout=5) as connection:
            rows = [Row(*row) for row in connection.execute(PURCHASES, [raffle])]
            held, sold = connection.execute(COUNTER, [raffle]).fetchone() or (0, 0)
            tallies: dict[str, int] = dict(connection.execute(TALLIES, [raffle]).fetchall())
            refunds = connection.execute(UNFINISHED_REFUNDS, [raffle]).fetchall()
        unfinished = [f"refund {name} is {status}" for name, status in refunds]
        return cls(rows, held, sold, tallies, unfinished, _kept(raffle, till))

    def losses(self, promises: Sequence[Promise] = (), *, cancelled: bool = False) -> dict[Loss, list[str]]:
        """Return what is wrong, by kind; empty if the books are right and everybody got what they were told."""
        found = {
            Loss.TWICE: [*self._charged_twice(), *self._wishes_paid_twice(promises)],
            Loss.MONEY: [*self._money_without_tickets(), *self.unfinished_refunds],
            Loss.TICKETS: list(self._tickets_without_money()),
            Loss.HOLDS: list(self._holds_left()),
            Loss.WRONG: [*self._wrong_numbers(), *self._broken_promises(promises, cancelled)],
        }
        return {loss: what for loss, what in found.items() if what}

    def _charged_twice(self) -> Iterator[str]:
        for row in self.rows:
            if self.kept[row.id] > row.amount:
                yield f"purchase {row.id} costs {row.amount}, Stripe keeps {self.kept[row.id]}"

    def _wishes_paid_twice(self, promises: Sequence[Promise]) -> Iterator[str]:
        for promise in promises:
            paying = [name for name in promise.purchases if self.kept[name]]
            if len(paying) > 1:
                yield f"{promise.buyer} pays for {paying} and wanted one of them"

    def _money_without_tickets(self) -> Iterator[str]:
        statuses = {row.id: row.status for row in self.rows}
        for name, money in self.kept.items():
            if money and statuses.get(name) != "paid":
                yield f"Stripe keeps {money} for purchase {name}, which is {statuses.get(name, 'not in the books')}"

    def _tickets_without_money(self) -> Iterator[str]:
        for row in self.rows:
            if row.status == "paid" and self.kept[row.id] < row.amount:
                yield f"purchase {row.id} is paid, Stripe keeps {self.kept[row.id]} of {row.amount}"

    def _holds_left(self) -> Iterator[str]:
        for row in self.rows:
            if row.status in HOLDING:
                yield f"purchase {row.id} is {row.status}"
        if self.held:
            yield f"the counter holds {self.held}"

    def _wrong_numbers(self) -> Iterator[str]:
        numbers = sorted(number for row in self.rows for number in row.numbers)
        if numbers != list(range(1, self.sold + 1)):
            yield f"{self.sold} are sold, the numbers are {numbers}"
        # A refund frees neither the numbers nor the room under the person's limit.
        taken: Counter[str] = Counter()
        for row in self.rows:
            if row.first is not None or row.status in HOLDING:
                taken[row.buyer] += row.quantity
        if taken != self.tallies:
            yield f"the tallies are {self.tallies}, expected {dict(taken)}"
        yield from (f"purchase {row.id} is {row.status}" for row in self.rows if row.status in {"review", "refunding"})

    def _broken_promises(self, promises: Sequence[Promise], cancelled: bool) -> Iterator[str]:
        rows = {row.id: row for row in self.rows}
        for promise in promises:
            if promise.trouble:
                yield f"{promise.buyer}: {promise.trouble}"
            if promise.told is None:
                continue
            row = rows[promise.purchases[-1]]
            has = (row.numbers[0], row.numbers[-1]) if row.numbers else None
            if has != promise.told or row.status != ("refunded" if cancelled else "paid"):
                yield f"{promise.buyer} was told {promise.told}, purchase {row.id} is {row.status} with {has}"


def _kept(raffle: str, till: Till) -> Counter[str]:
    """Sum money that Stripe took and did not refund, by purchase, in the minor unit."""
    intents: dict[str, Any] = {each["id"]: each["metadata"] for each in till.books("payment_intents")}
    kept: Counter[str] = Counter()
    for charge in till.books("charges"):
        metadata = intents.get(charge["payment_intent"], {})
        if metadata.get("raffle") == raffle and charge["paid"] and charge["captured"]:
            kept[metadata["purchase"]] += charge["amount"] - charge["amount_refunded"]
    return kept
