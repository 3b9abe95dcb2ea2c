"""A trial of draws: one fault while raffles are announced, sold out and drawn."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg

from dev.demo.shop import LateError, Refused, Shop, wait_until
from dev.faults.books import Promise
from dev.faults.buyers import Habit
from dev.faults.chain_books import ChainBooks, Node
from dev.faults.draw_books import DrawBooks, DrawLoss, Verdict, done_at, known_transactions, undone
from dev.faults.keeper import DRAW_DELAY_SECONDS
from dev.faults.stage import Stage
from dev.faults.switches import Scope

TERMS: dict[str, Any] = {
    "description": "Drawn under faults.",
    "prizes": [{"name": "The watch"}, {"name": "The strap"}],
    "alternates": 1,
    "delay_seconds": DRAW_DELAY_SECONDS,
}
BUYERS, QUANTITY = 3, 2
# A killed worker also leaves its claims on other draws, for 60 s.
TRIP_SECONDS, RECOVERY_SECONDS, LOOK_SECONDS = 150, 200, 1.0
ALONE_SECONDS = 6
STATE = """
    SELECT draw.state, draw.committed_at, sent.hash FROM verification_draw AS draw
    LEFT JOIN verification_chainstep AS step ON step.draw_id = draw.raffle_id AND step.step = 'commit' AND step.live
    LEFT JOIN verification_chaintransaction AS sent ON sent.id = step.transaction_id
    WHERE draw.raffle_id = %s
"""


class DrawTrial:
    """One fault, injected `times` times during draws of its own raffles."""

    counted = "draws"
    columns = DrawLoss

    def __init__(self, stage: Stage, name: str, times: int) -> None:
        self.stage, self.name, self.times = stage, name, times
        self.raffles: list[str] = []
        #: How many picks staff forfeited.
        self.forfeits: Counter[str] = Counter()
        self.injected = 0
        self.note = ""
        self.last_at = time.time()
        environment = stage.stack.environment
        self._database, self._node = environment["DATABASE_URL"], environment["CHAIN_RPC_URL"]
        self._visitor = Shop(stage.http, stage.stack.url, address="203.0.113.2")

    def draft(self, *, buyers: int = BUYERS, quantity: int = QUANTITY, **terms: Any) -> str:
        """Draft a raffle that this many buyers sell out."""
        size = {"capacity": buyers * quantity, "max_per_person": buyers * quantity}  # a buyer may come again
        self.raffles.append(self.stage.draft(f"{self.name} {len(self.raffles) + 1}", **TERMS | size | terms))
        return self.raffles[-1]

    def publish(self, raffle: str, is_over: Callable[[], bool] = lambda: True) -> None:
        """Put it on sale, once; nobody else publishes before `is_over`, or before ALONE_SECONDS have passed."""
        with self.stage.publishing:
            try:
                self.stage.as_staff(f"raffles/{raffle}/publish")
            except Refused as refusal:
                if refusal.code != "wrong_phase":  # an earlier answer was lost
                    raise
            with suppress(LateError):
                wait_until("the announcement", is_over, seconds=ALONE_SECONDS)

    def sell(self, *raffles: str, buyers: int = BUYERS, quantity: int = QUANTITY) -> None:
        """Sell the raffles out. Raises LateError if a buyer leaves without their tickets."""
        wanting = []
        for raffle in raffles:
            for _ in range(buyers):
                buyer = self.stage.next_buyer()
                promise = Promise(buyer.person.email)
                task = self.stage.pool.submit(buyer.wants, raffle, quantity, Habit.WAITS, promise)
                wanting.append((task, promise))
        wait([task for task, _ in wanting])
        for task, promise in wanting:
            task.result()
            if promise.told is None:
                raise LateError(f"{promise.buyer} got no tickets: {promise.trouble}")

    def play(self, **shape: Any) -> str:
        """Publish a raffle and sell it out."""
        raffle = self.draft(**shape)
        self.publish(raffle)
        self.sell(raffle, **{name: shape[name] for name in ("buyers", "quantity") if name in shape})
        return raffle

    def kill_at(
        self, step: str, scope: Scope, lead: Callable[[], object], raffles: Sequence[str], **order: Any
    ) -> bool:
        """Have the process killed that takes the step for one of `raffles` while `lead` runs; return whether it was."""
        switches = self.stage.switches
        before = len(switches.tripped(step))
        switches.arm(step, scope, about=raffles, **order)
        lead()
        deadline = time.monotonic() + TRIP_SECONDS
        while len(killed := switches.tripped(step)) == before and time.monotonic() < deadline:
            if not self.open():
                break
            time.sleep(0.1)
        switches.disarm(step)
        if len(killed) > before:
            self.injected += 1
            self.last_at = killed[-1]
        return len(killed) > before

    def inject(self) -> None:
        """Note that the fault happens now."""
        self.injected += 1
        self.last_at = time.time()

    def state(self, raffle: str) -> str:
        """Read the draw's state. Raises psycopg.Error while the database is down."""
        return str(self._row(raffle)[0])

    def commitment(self, raffle: str) -> tuple[int, str]:
        """Return when the draw was committed, in Unix seconds, and by which transaction."""
        (_, moment, transaction) = self._row(raffle)
        return int(moment), str(transaction)

    def _row(self, raffle: str) -> tuple[Any, ...]:
        with psycopg.connect(self._database, connect_timeout=5) as connection:
            return connection.execute(STATE, [raffle]).fetchone() or ("", 0, "")

    def ask_node(self, method: str, *params: Any) -> Any:
        """Ask the chain's node and return its answer."""
        return Node(self.stage.http, self._node).ask(method, *params)

    @property
    def chain_state(self) -> Path:
        """Return where the node saves its state."""
        return self.stage.stack.supervisor.sites["chain"].folder / "state.json"

    def reaches(self, raffle: str, *states: str) -> None:
        """Wait until the draw is in one of the states."""
        wait_until(f"the draw to be {states}", lambda: self.state(raffle) in states, seconds=TRIP_SECONDS)

    def open(self) -> int:
        """Count these draws that are not settled; if all are, their mails that were not sent."""
        return undone(self.raffles, self._database)

    def losses(self) -> dict[DrawLoss, list[str]]:
        """Return what is lost now, also of the chain as a whole. Raises psycopg.Error or httpx.HTTPError."""
        chain, mails = ChainBooks.of(self.stage.http, self._node), self.stage.mailbox.messages()
        found: dict[DrawLoss, list[str]] = {}
        for raffle in self.raffles:
            for loss, what in self._books(raffle, chain, mails).losses(self.forfeits[raffle]).items():
                found.setdefault(loss, []).extend(what)
        if faults := chain.faults(known_transactions(self._database)):
            found.setdefault(DrawLoss.DOUBLED, []).extend(faults)
        return found

    def _books(self, raffle: str, chain: ChainBooks, mails: Sequence[dict[str, Any]]) -> DrawBooks:
        books = DrawBooks.of(raffle, self._database, chain, mails)
        if books.draw.state == "settled":
            bundle, entries, log = (
                self._visitor.raw(f"verification/{raffle}/{name}") for name in ("bundle", "entries.csv", "log")
            )
            with tempfile.TemporaryDirectory() as folder:
                books.verdict = Verdict.of(bundle, entries, log, Path(folder))
        return books

    def recover(self) -> tuple[dict[DrawLoss, list[str]], float, int]:
        """Wait until every draw is settled and everyone told, RECOVERY_SECONDS at most, then check everything.

        Return what is lost, the seconds from the last injection, and how many draws there were.
        """
        deadline = max(time.time(), self.last_at) + RECOVERY_SECONDS
        while time.time() < deadline:
            try:
                if not self.open():
                    break
            except psycopg.Error:
                pass  # it is being restarted
            time.sleep(LOOK_SECONDS)
        while True:
            try:
                seconds = max(done_at(self.raffles, self._database) - self.last_at, 0.0)
                # Unfinished work of other trials is no loss of this one: it ends within the deadline.
                found = self.losses()
                if not found or time.time() > deadline:
                    return found, seconds, len(self.raffles)
            except (psycopg.Error, httpx.HTTPError):
                if time.time() > deadline:
                    raise LateError(f"{self.name}: a part did not come back") from None
            time.sleep(LOOK_SECONDS)
