"""The stage: one stack with its people; and a trial: one fault during purchases."""

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg

from dev.demo.cast import Conduct, Part
from dev.demo.parties import Mailbox, Till
from dev.demo.people import Person
from dev.demo.shop import LateError, Shop, wait_until
from dev.faults.books import Books, Loss, Promise
from dev.faults.buyers import Buyer, Device, Habit
from dev.faults.keeper import KeptStack
from dev.faults.switches import Scope, Switches
from dev.stack import STAFF_EMAIL

BUYERS = 6
THREADS = 16
SALE = timedelta(days=3)
TRIP_SECONDS = 60
FRESH_BUYER_SECONDS = 12.0
# A hold, the killed task's lease (60 s), a sweep, and time for the work itself on a busy machine.
RECOVERY_SECONDS = 150
LOOK_SECONDS = 0.5
TERMS: dict[str, Any] = {
    "description": "Bought under faults.",
    "category": "watch",
    "ticket_price": 1_500,
    "currency": "gbp",
    "capacity": 100_000,
    "max_per_person": 50_000,
    "conditions": "For the faults.",
    "prizes": [{"name": "The watch"}],
}


class Stage:
    """A running stack, with people who have accounts there."""

    def __init__(self, stack: KeptStack, switches: Switches, http: httpx.Client) -> None:
        self.stack, self.switches, self.http = stack, switches, http
        self.till = Till(http, stack.environment)
        self.mailbox = Mailbox(http, stack.environment)
        self.over = threading.Event()
        #: Held while a raffle is put on sale, and as long as its announcement must be signed alone.
        self.publishing = threading.Lock()
        self.staff = Device(Shop(http, stack.url, address="203.0.113.1"), STAFF_EMAIL, stack.password, self.over)
        self.pool = ThreadPoolExecutor(THREADS)
        self._numbers = itertools.count(1)
        self._buyers: list[Buyer] = []

    def open(self) -> None:
        """Let BUYERS people join, and buy before any fault, so that Stripe knows them."""
        self._buyers = list(self.pool.map(lambda _: self.newcomer(), range(BUYERS)))
        raffle = self.publish("Before the faults")
        wanting = [
            self.pool.submit(buyer.wants, raffle, 1, Habit.WAITS, Promise(buyer.person.email)) for buyer in self._buyers
        ]
        wait(wanting)

    def newcomer(self) -> Buyer:
        """Let a person join who has never bought."""
        number = next(self._numbers)
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))  # the address keeps only letters
        part = Part(f"Buyer {letters}", "", 1, Conduct.ASKS)
        person = Person(part, number, self.http, self.stack.url, self.till, self.mailbox)
        buyer = Buyer(person, self.over)
        buyer.join()
        return buyer

    def next_buyer(self) -> Buyer:
        """Return the next buyer, in a cycle."""
        self._buyers.append(self._buyers.pop(0))
        return self._buyers[-1]

    def close(self) -> None:
        """End all buyers, without waiting."""
        self.over.set()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def draft(self, title: str, **terms: Any) -> str:
        """Draft a raffle and return its id; `terms` override TERMS."""
        now = datetime.now(UTC)
        times = {"opens_at": now.isoformat(), "closes_at": (now + SALE).isoformat()}
        return str(self.as_staff("raffles/create", TERMS | times | {"title": title} | terms)["id"])

    def publish(self, title: str) -> str:
        """Publish a raffle and return its id."""
        raffle = self.draft(title)
        self.as_staff(f"raffles/{raffle}/publish")
        return raffle

    def as_staff(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API as staff and return its answer."""
        return self.staff.insist(path, lambda: self.staff.shop.post(path, body))

    def wait_for_server(self) -> None:
        """Wait until the server answers."""

        def look() -> bool:
            try:
                return self.http.get(f"{self.stack.url}/health/live", timeout=2).is_success
            except httpx.HTTPError:
                return False

        wait_until("the server", look, seconds=TRIP_SECONDS)

    def at_stripe(self, orders: str, **order: Any) -> None:
        """Order a fault from the stand-in: `orders` is `faults` (of requests) or `event_faults`."""
        self.http.post(f"{self.till.url}/_config/{orders}", json=order).raise_for_status()

    def left_at_stripe(self, orders: str) -> int:
        """Count how often ordered faults are still to hit."""
        data = self.http.get(f"{self.till.url}/_config/{orders}").raise_for_status().json()["data"]
        return sum(fault["times"] for fault in data)

    def forget_at_stripe(self) -> None:
        """Cancel all ordered faults."""
        for orders in ("faults", "event_faults"):
            self.http.delete(f"{self.till.url}/_config/{orders}").raise_for_status()


class Trial:
    """One fault, injected `times` times during purchases of its own raffle."""

    counted = "purchases"
    columns = Loss

    def __init__(self, stage: Stage, name: str, times: int) -> None:
        self.stage, self.name, self.times = stage, name, times
        self.raffle = stage.publish(f"Fault {name}")
        self.promises: list[Promise] = []
        self.injected = 0
        #: Other findings, for people.
        self.note = ""
        self.last_at = time.time()
        self.cancelled = False
        self._wishes: list[Future[None]] = []

    def shop(self, count: int, habit: Habit, *, quantity: int = 2, buyers: list[Buyer] | None = None) -> None:
        """Let `count` people start buying at once: first from `buyers`, who leave that list, then anyone."""
        for _ in range(count):
            buyer = buyers.pop() if buyers else self.stage.next_buyer()
            promise = Promise(buyer.person.email)
            self.promises.append(promise)
            self._wishes.append(self.stage.pool.submit(buyer.wants, self.raffle, quantity, habit, promise))

    def starts(self) -> None:
        """Count recovery from here: from now on, faults hit whatever comes."""
        self.last_at = time.time()

    def inject(self) -> None:
        """Note that the fault happens now."""
        self.injected += 1
        self.last_at = time.time()

    def kill_at(self, step: str, scope: Scope, *, more: Callable[[], object] = lambda: None, passes: int = 0) -> None:
        """Have the next process at the step killed once `more` brings buyers there, and wait for it."""
        switches = self.stage.switches
        before = len(switches.tripped(step))
        switches.arm(step, scope, passes=passes)
        deadline = time.monotonic() + TRIP_SECONDS
        again = 0.0
        while len(killed := switches.tripped(step)) == before and time.monotonic() < deadline:
            if time.monotonic() >= again:
                more()
                again = time.monotonic() + FRESH_BUYER_SECONDS
            time.sleep(0.05)
        switches.disarm(step)
        if len(killed) > before:
            self.injected += 1
            self.last_at = killed[-1]

    def everyone_is_served(self) -> None:
        """Wait until every buyer has left."""
        wait(self._wishes)
        for wish in self._wishes:
            wish.result()

    def cancel(self) -> None:
        """Cancel the raffle as staff: everyone must be refunded."""
        self.cancelled = True
        self.stage.as_staff(f"raffles/{self.raffle}/cancel", {"reason": "The prize was damaged."})

    def books(self) -> Books:
        """Read the books as they are now."""
        return Books.of(self.raffle, self.stage.stack.environment["DATABASE_URL"], self.stage.till)

    def losses(self) -> dict[Loss, list[str]]:
        """Return what is lost now. Raises psycopg.Error or httpx.HTTPError while a part is down."""
        return self.books().losses(self.promises, cancelled=self.cancelled)

    def recover(self) -> tuple[dict[Loss, list[str]], float, int]:
        """Wait until every buyer has an answer and nothing is lost, RECOVERY_SECONDS at most.

        Return what is lost, the seconds from the last injection, and how many purchases there were.
        """
        self.everyone_is_served()
        deadline = max(time.time(), self.last_at) + RECOVERY_SECONDS
        while True:
            try:
                found = self.losses()
                if not found or time.time() > deadline:
                    return found, time.time() - self.last_at, self.statuses().total()
            except (psycopg.Error, httpx.HTTPError):
                if time.time() > deadline:
                    raise LateError(f"{self.name}: a part did not come back") from None
            time.sleep(LOOK_SECONDS)

    def statuses(self) -> Counter[str]:
        """Count the purchases in each status."""
        return Counter(row.status for row in self.books().rows)


def restart(stage: Stage, part: str, number: signal.Signals) -> None:
    """End a part by a signal and start it again at the same address."""
    child = stage.stack.supervisor.part(part)
    os.kill(child.pid, number)
    child.wait(30)
    stage.stack.supervisor.restart(part)
