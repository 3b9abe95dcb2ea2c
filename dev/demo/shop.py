"""The API as a client uses it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

PAGE = 100


class Refused(Exception):
    """The API refused; `code` and `problem` are from its problem document."""

    def __init__(self, what: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
        self.problem: dict[str, Any] = answer.json() if is_problem else {}
        self.code = str(self.problem.get("code", "no_problem_document"))
        faults = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in self.problem.get("errors", []))
        super().__init__(
            f"{what}: {self.status} {self.code}: {faults or self.problem.get('detail', answer.text[:200])}"
        )


class LateError(Exception):
    """An expected event did not happen in time."""


def wait_until[T](what: str, look: Callable[[], T | None], *, seconds: float, every: float = 0.15) -> T:
    """Return what `look` returns once that is neither None nor False. Raises LateError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise LateError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
    return found


class Shop:
    """Calls of one client: `address` is where it calls from, as a proxy would report; `token` says who it is."""

    def __init__(self, http: httpx.Client, url: str, *, address: str) -> None:
        self.http, self.url, self.address = http, f"{url}/api/v1", address
        self.token = ""

    def get(self, path: str) -> Any:
        """Get the JSON at a path."""
        return self._send("GET", path).json()

    def raw(self, path: str) -> bytes:
        """Get the answer's body, byte for byte."""
        return self._send("GET", path).content

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """Post a body and return the API's answer. Raises Refused."""
        return self._send("POST", path, body, headers).json()

    def pages(self, path: str) -> Iterator[Any]:
        """Yield every row of a list, page after page."""
        following: str | None = f"{self.url}/{path}?page_size={PAGE}"
        while following:
            page = self.get(following.removeprefix(f"{self.url}/"))
            yield from page["results"]
            following = page["next"]

    def log_in(self, email: str, password: str) -> None:
        """Log this client in as that person."""
        self.token = self.post("auth/login", {"email": email, "password": password})["access"]

    def buy(self, raffle: str, quantity: int, key: str, answer: str | None = None) -> dict[str, Any]:
        """Make a purchase to be paid. Like a good client, repeat "in flight" and "busy" under the same key."""
        wanted = {"raffle": raffle, "quantity": quantity} | ({"answer": answer} if answer else {})
        for _ in range(20):
            try:
                return self.post("purchases/create", wanted, **{"Idempotency-Key": key})
            except Refused as refusal:
                if refusal.code not in {"request_in_flight", "busy"}:
                    raise
                time.sleep(1)  # as its Retry-After says
        raise LateError(f"the purchase of {quantity} in {raffle} stayed in flight for 20 s")

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {"X-Forwarded-For": self.address} | (headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        answer = self.http.request(method, f"{self.url}/{path}", json=body, headers=sent)
        if not answer.is_success:
            raise Refused(f"{method} {path}", answer)
        return answer
