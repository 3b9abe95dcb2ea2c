"""Buyers with a bad connection, who repeat requests without an answer until they know the result."""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

import httpx

from dev.demo.people import Person
from dev.demo.shop import LateError, Refused, Shop
from dev.faults.books import Promise

PATIENCE_SECONDS = 150.0
REPEAT_SECONDS = 0.4
POLL_SECONDS = 0.7  # under the limit of 120 a minute
KEYS = 5  # how often a buyer whose hold expired starts again
FINAL = {"paid", "expired", "review", "refunding", "refunded", "void"}
# A raffle that is on sale by its terms opens once its draw is announced on the chain.
AGAIN = {"request_in_flight", "busy", "raffle_not_open"}
UNAUTHORIZED, LIMITED, FAILURE = 401, 429, 500


class Habit(StrEnum):
    """How a buyer behaves in the checkout."""

    WAITS = "pays, asks purchases/verify until it is final, begins anew if the hold expired"
    LEAVES = "pays and puts the phone away"
    ABANDONS = "leaves without paying"


class Device:
    """A client with a bad connection, and a person who does not give up."""

    def __init__(self, shop: Shop, email: str, password: str, over: threading.Event) -> None:
        """Make a device that stops repeating requests once `over` is set."""
        self.shop, self.email, self.password, self.over = shop, email, password, over

    def insist(self, what: str, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer: no connection, 5xx, 429, "in flight" and "not open yet" do not count as one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        last: Exception | None = None
        while time.monotonic() < deadline:
            try:
                return ask()
            except httpx.HTTPError as error:
                last = error
            except Refused as refusal:
                last = refusal
                if refusal.status == UNAUTHORIZED:
                    self._sign_in_again()
                elif refusal.status < FAILURE and refusal.status != LIMITED and refusal.code not in AGAIN:
                    raise
            if self.over.wait(REPEAT_SECONDS):
                break
        raise LateError(f"{what}: no answer in {PATIENCE_SECONDS:.0f} s ({last})")

    def _sign_in_again(self) -> None:
        """Renew the access token, which lasts ten minutes. After a failure, the next refusal leads here again."""
        self.shop.token = ""
        with suppress(httpx.HTTPError, Refused):
            self.shop.log_in(self.email, self.password)


class Buyer:
    """A person with an account, who may buy several times at once."""

    def __init__(self, person: Person, over: threading.Event) -> None:
        self.person, self.over = person, over
        self.shop, self.till = person.shop, person.till

    def join(self) -> None:
        """Register, open the link in the mail, log in."""
        self.person.join()
        self.device = Device(self.shop, self.person.email, self.person.password, self.over)

    def wants(self, raffle: str, quantity: int, habit: Habit, promise: Promise) -> None:
        """Buy by habit; note in `promise` what they were told, or why they left without it."""
        try:
            for _ in range(KEYS):
                if self._buy(raffle, quantity, habit, promise) or habit is not Habit.WAITS:
                    return
            promise.trouble = f"{KEYS} holds expired"
        except (LateError, Refused) as error:
            promise.trouble = str(error)

    def _buy(self, raffle: str, quantity: int, habit: Habit, promise: Promise) -> bool:
        """Make one purchase, under one key; return whether it was paid."""
        body = {"raffle": raffle, "quantity": quantity}
        header = {"Idempotency-Key": secrets.token_hex(12)}
        purchase = self.device.insist("create", lambda: self.shop.post("purchases/create", body, **header))
        promise.purchases.append(purchase["id"])
        if habit is Habit.ABANDONS:
            return False
        if purchase["client_secret"]:
            self.device.insist("pay", lambda: self._pay(purchase["client_secret"]))
        if habit is Habit.LEAVES:
            return True
        settled = self._wait_for_the_end(purchase["id"])
        if settled["status"] != "paid":
            return False
        promise.told = (settled["tickets"]["first"], settled["tickets"]["last"])
        return True

    def _pay(self, client_secret: str) -> bool:
        """Pay by card; return True once nothing is left to pay: paid now, paid before, or cancelled."""
        try:
            self.till.pay(client_secret)
        except httpx.HTTPStatusError as error:
            if error.response.is_server_error:
                raise
        return True

    def _wait_for_the_end(self, purchase: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            shown = self.device.insist("verify", lambda: self.shop.post("purchases/verify", {"purchase": purchase}))
            if shown["status"] in FINAL:
                return shown
            time.sleep(POLL_SECONDS)
        raise LateError(f"purchase {purchase} was not final after {PATIENCE_SECONDS:.0f} s")
