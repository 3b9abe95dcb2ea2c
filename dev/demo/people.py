"""A person with a device, who joins by mail, buys and pays."""

import re
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from dev.demo.cast import RAFFLES, Conduct, Part
from dev.demo.parties import DECLINED_CARD, Mailbox, Till
from dev.demo.shop import LateError, Refused, Shop, wait_until

LINK = re.compile(r"/verify-email\?token=(\S+)")
MAIL_SECONDS, SETTLE_SECONDS = 90, 90


class Person:
    """A person who plays a part; what happens to them is noted for the books."""

    def __init__(self, part: Part, number: int, http: httpx.Client, url: str, till: Till, mailbox: Mailbox) -> None:
        self.part, self.till, self.mailbox = part, till, mailbox
        plain = unicodedata.normalize("NFKD", part.name).encode("ascii", "ignore").decode().lower()
        self.email = f"{re.sub(r'[^a-z]+', '.', plain)}@people.example"
        self.password = secrets.token_urlsafe(12)
        self.shop = Shop(http, url, address=f"198.51.100.{number}")
        #: What the API answered to `purchases/create`, in order.
        self.answers: list[dict[str, Any]] = []
        self.decline = ""
        self.refusal: Refused | None = None
        #: The id of the dispute that their bank opened.
        self.dispute = ""
        self._question: dict[str, Any] = RAFFLES.get(part.raffle, {})

    def join(self) -> None:
        """Register, open the link in the mail, log in."""
        born = f"19{60 + len(self.part.name)}-06-15"
        facts = {"email": self.email, "password": self.password, "display_name": self.part.name}
        self.shop.post("auth/register", facts | {"date_of_birth": born, "country": "FR"})
        token = wait_until(f"the verification mail to {self.email}", self._token, seconds=MAIL_SECONDS)
        self.shop.post("auth/verify", {"token": token, "password": self.password})
        self.shop.log_in(self.email, self.password)

    def shops(self, raffle: str) -> None:
        """Play their part in the checkout."""
        if self.part.conduct is Conduct.ASKS_TOO_MUCH:
            try:
                self._buy(raffle)
            except Refused as refusal:
                self.refusal = refusal
            return
        if self.part.conduct is Conduct.ANSWERS_WRONGLY:
            self._guess_wrongly(raffle)
        self.answers = self._buy(raffle, clicks=2 if self.part.conduct is Conduct.DOUBLE_CLICKS else 1)
        if self.part.conduct is not Conduct.ABANDONS:
            self._pay(self.answers[0])

    def comes_back(self, raffle: str) -> None:
        """Ask again for as many tickets, now that they are available, and pay."""
        self.answers = self._buy(raffle)
        self._pay(self.answers[0])

    def has_it_disputed(self) -> None:
        """Have their bank dispute the payment of their first purchase."""
        self.dispute = self.till.dispute(self.answers[0]["client_secret"])

    def purchases(self) -> list[dict[str, Any]]:
        """List their purchases, as the API shows them."""
        return list(self.shop.pages("purchases/list"))

    def has_lost_the_hold(self) -> bool:
        """Whether their unpaid purchase has expired."""
        return bool(self.answers) and self._status(self.answers[0]) == "expired"

    def _buy(self, raffle: str, clicks: int = 1) -> list[dict[str, Any]]:
        """Click several times at once, with the same body and key; return the API's answers."""
        wanted = (raffle, self.part.quantity, secrets.token_hex(8), self._question.get("answer"))
        with ThreadPoolExecutor(clicks) as fingers:
            requests = [fingers.submit(self.shop.buy, *wanted) for _ in range(clicks)]
            return [request.result() for request in requests]

    def _guess_wrongly(self, raffle: str) -> None:
        wrong = next(choice for choice in self._question["choices"] if choice != self._question["answer"])
        try:
            self.shop.buy(raffle, self.part.quantity, secrets.token_hex(8), wrong)
        except Refused as refusal:
            self.refusal = refusal

    def _pay(self, purchase: dict[str, Any]) -> None:
        if self.part.conduct is Conduct.IS_DECLINED:
            self.decline = self.till.pay(purchase["client_secret"], DECLINED_CARD)
        status = self.till.pay(purchase["client_secret"])
        if status != "succeeded":
            raise LateError(f"{self.part.name}'s payment is {status}")
        if self.part.conduct in {Conduct.WAITS, Conduct.DISPUTES}:
            wait_until(f"{self.part.name}'s tickets", lambda: self._status(purchase) == "paid", seconds=SETTLE_SECONDS)
        else:
            settled = self.shop.post("purchases/verify", {"purchase": purchase["id"]})
            if settled["status"] != "paid":
                raise LateError(f"{self.part.name} paid, and purchases/verify says {settled['status']}")

    def _status(self, purchase: dict[str, Any]) -> str:
        return str(self.shop.get(f"purchases/{purchase['id']}")["status"])

    def _token(self) -> str | None:
        found = (LINK.search(message["text"]) for message in self.mailbox.messages(self.email))
        return next((match[1] for match in found if match), None)
