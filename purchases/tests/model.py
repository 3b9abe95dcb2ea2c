"""What the books should say after each step, as plain Python: the model beside which the state machine runs them.

It knows what is true at Stripe, since the machine itself is the buyer, the bank and the dashboard there. Whatever can
be summed up (held, sold, a person's tickets) is summed up from the entries and never counted along.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

LIVE = {"started", "open", "processing"}
HOLDING = {"pending", "processing"}


class SeenAttempt(NamedTuple):
    """A payment as the books have it."""

    status: str
    known: bool  # whether they have its intent's id
    refund: str | None


class Seen(NamedTuple):
    """A purchase as the books have it."""

    status: str
    first: int | None
    attempts: tuple[SeenAttempt, ...]


@dataclass(eq=False)
class Attempt:
    """One attempt to pay."""

    # At Stripe.
    intent: str = "open"
    debit_fails: bool = False
    refunded: bool = False
    # In the books.
    status: str = "started"
    known: bool = False
    refund: str | None = None
    # An event about it came since the books last looked.
    news: bool = False
    # The bank refused when the tickets were gone: a worker is to see to it that nobody pays it any more.
    unwanted: bool = False

    def seen(self) -> SeenAttempt:
        return SeenAttempt(self.status, self.known, self.refund)


@dataclass(eq=False)
class Entry:
    """One purchase."""

    person: int
    quantity: int
    status: str = "pending"
    first: int | None = None
    overdue: bool = False
    # Somebody died while asking Stripe for the intent.
    calling: bool = False
    attempts: list[Attempt] = field(default_factory=lambda: [Attempt()])

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def payable(self) -> Attempt | None:
        """The attempt that the books would ask Stripe about."""
        return next((each for each in self.attempts if each.status in LIVE and each.known), None)

    def seen(self) -> Seen:
        return Seen(self.status, self.first, tuple(each.seen() for each in self.attempts))


class Model:
    """One raffle."""

    def __init__(self, *, capacity: int, limit: int) -> None:
        self.capacity, self.limit = capacity, limit
        self.entries: list[Entry] = []
        self.cancelled = self.closed = False

    @property
    def held(self) -> int:
        return sum(each.quantity for each in self.entries if each.status in HOLDING)

    @property
    def sold(self) -> int:
        return sum(each.quantity for each in self.entries if each.first is not None)

    def taken(self, person: int) -> int:
        mine = (each for each in self.entries if each.person == person)
        return sum(each.quantity for each in mine if each.status in HOLDING or each.first is not None)

    def refusal(self, person: int, quantity: int) -> str | None:
        """The code with which a hold is refused; None: it is not."""
        if self.taken(person) + quantity > self.limit:
            return "limit_reached"
        left = self.capacity - self.held - self.sold
        if self.closed or self.cancelled:
            return "raffle_closed" if left or self.cancelled else "sold_out"
        if quantity > left:
            return "not_enough_left" if left else "sold_out"
        return None

    def hold(self, person: int, quantity: int, *, died: bool) -> Entry:
        entry = Entry(person, quantity, calling=died)
        self.entries.append(entry)
        if not died:
            entry.last.status, entry.last.known = "open", True
        return entry

    def ask_again(self, entry: Entry, *, died: bool) -> str | None:
        """The same request once more; the code with which it is refused."""
        if entry.status != "pending" or entry.last.status == "open":
            return None
        if entry.last.status in LIVE:
            if entry.last.status == "processing" or entry.calling:
                return "request_in_flight"
        else:
            entry.attempts.append(Attempt())
        entry.calling = died
        if not died:
            entry.last.status, entry.last.known = "open", True
        return None

    def settle(self, entry: Entry, *, room: bool | None = None) -> None:
        """The books look at what Stripe has. `room`: whether late money found its tickets; None: count."""
        attempt = entry.payable
        if attempt is None:
            return
        attempt.news = False
        if attempt.intent == "succeeded":
            attempt.status = "succeeded"
            self._take_money(entry, attempt, room)
        elif attempt.intent == "canceled":
            attempt.status = "canceled"
            self._end_if_over(entry)
        elif attempt.intent == "processing":
            attempt.status = "processing"
            if entry.status == "pending" and not self.cancelled and not self.closed:
                entry.status, entry.overdue = "processing", False
            else:
                self._end_if_over(entry)
        elif attempt.status == "processing":
            attempt.status = "open"
            self._bank_refuses(entry, attempt)

    def _bank_refuses(self, entry: Entry, attempt: Attempt) -> None:
        if entry.status == "processing" and not self.cancelled and not self.closed:
            entry.status, entry.overdue = "pending", False
        elif entry.status != "pending":
            attempt.unwanted = True
            if entry.status == "processing":
                entry.status = "expired"

    def _end_if_over(self, entry: Entry) -> None:
        if entry.status in HOLDING and entry.overdue:
            entry.status = "expired"

    def _take_money(self, entry: Entry, attempt: Attempt, room: bool | None) -> None:
        if entry.status in HOLDING and self.cancelled:
            entry.status = "expired"
        if entry.status == "expired" and room is None:
            room = self.refusal(entry.person, entry.quantity) is None
        if entry.status in HOLDING or room:
            entry.status, entry.first = "paid", self.sold + 1
        else:
            entry.status, attempt.refund = "refunding", "requested"

    def expire(self, entry: Entry, *, died: bool, room: bool | None = None) -> None:
        if entry.status not in HOLDING or not entry.overdue:
            return
        attempt = entry.payable
        if attempt and attempt.intent == "open":
            attempt.intent = "canceled"
        if died:
            return
        if attempt:
            self.settle(entry, room=room)
        else:
            entry.status = "expired"
            if entry.last.status == "started":
                entry.last.status = "failed"

    def request_refund(self, entry: Entry, *, died: bool) -> str | None:
        """The code with which it is refused."""
        if entry.status in {"refunding", "refunded"}:
            return None
        if entry.status != "paid":
            return "not_refundable"
        if not died:
            self._leave(entry)
        return None

    def _leave(self, entry: Entry) -> None:
        attempt = next(each for each in entry.attempts if each.status == "succeeded")
        entry.status, attempt.refund = "refunding", "requested"

    def execute_refund(self, entry: Entry, attempt: Attempt, *, died: bool) -> None:
        attempt.refunded = True
        if not died:
            entry.status, attempt.refund = "refunded", "succeeded"

    def refund_everyone(self, *, died: bool) -> None:
        for entry in self.entries:
            entry.overdue |= entry.status in HOLDING
            if entry.status == "paid" and not died:
                self._leave(entry)

    def open_refunds(self) -> Iterator[tuple[Entry, Attempt]]:
        for entry in self.entries:
            yield from ((entry, each) for each in entry.attempts if each.refund == "requested")

    def work(self, seen: Mapping[Entry, Seen]) -> None:
        """Everything that a worker finds to do, in whatever order.

        What Stripe has told of must have been looked at. What it has not may have been, by reconciliation: then `seen`
        shows it. Which late money found tickets is a matter of the order too; that nothing is oversold is the books'.
        """
        for entry in sorted(self.entries, key=lambda each: seen[each].first or 0):
            for attempt, now in zip(entry.attempts, seen[entry].attempts, strict=True):
                if attempt.status == "started" and now.known:
                    attempt.status, attempt.known = "open", True
                if attempt.status in LIVE and (attempt.news or attempt.status != now.status):
                    self._late(entry, seen)
        self._end_unwanted()
        for entry in self.entries:
            entry.overdue |= self.cancelled and entry.status in HOLDING
            if entry.status in HOLDING and entry.overdue:
                self._late(entry, seen, expire=True)
        if self.cancelled:
            self.refund_everyone(died=False)
        for entry, attempt in list(self.open_refunds()):
            self.execute_refund(entry, attempt, died=False)

    def _end_unwanted(self) -> None:
        for attempt in (each for entry in self.entries for each in entry.attempts):
            if attempt.unwanted and attempt.status == attempt.intent == "open":
                attempt.status = attempt.intent = "canceled"

    def _late(self, entry: Entry, seen: Mapping[Entry, Seen], *, expire: bool = False) -> None:
        first = seen[entry].first
        if expire:
            self.expire(entry, died=False, room=first is not None)
        else:
            self.settle(entry, room=first is not None)
        if entry.first is not None and entry.status == "paid" and first is not None:
            entry.first = first
