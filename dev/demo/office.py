"""The back office as staff use it, by pages in a browser."""

import re
from datetime import UTC, datetime
from typing import Self

import httpx

from dev.demo.shop import LateError

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
ENTERED = re.compile(r"was added: tickets? ([0-9]+(?: to [0-9]+)?) of")


class BackOffice:
    """One member of staff with one browser and its cookies."""

    def __init__(self, url: str, *, address: str) -> None:
        headers = {"X-Forwarded-For": address}
        self.http = httpx.Client(base_url=f"{url}/admin", headers=headers, follow_redirects=True, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def log_in(self, email: str, password: str) -> None:
        """Log in. Raises LateError if the pages stay closed."""
        page = self._send("login/", {"username": email, "password": password, "next": "/admin/"})
        if "id_username" in page:
            raise LateError(f"the back office does not let {email} in")

    def enter_letter(self, raffle: str, email: str, quantity: int, reference: str) -> str:
        """Enter a free entry received today; return the ticket numbers as the page shows them. Raises LateError."""
        letter = {"raffle": raffle, "email": email, "quantity": str(quantity), "reference": reference}
        page = self._send("purchases/postalentry/add/", letter | {"received_on": f"{datetime.now(UTC):%Y-%m-%d}"})
        if not (entered := ENTERED.search(page)):
            raise LateError(f"the letter {reference} of {email} was not entered")
        return entered[1]

    def has_dispute(self, dispute: str, status: str) -> bool:
        """Whether the list of disputes shows this one with that status."""
        page = self.http.get("purchases/dispute/", params={"q": dispute, "status__exact": status}).raise_for_status()
        return dispute in page.text and "1 dispute" in page.text

    def _send(self, path: str, fields: dict[str, str]) -> str:
        """Send a form and return the page that answers."""
        token = TOKEN.search(self.http.get(path).raise_for_status().text)
        if token is None:
            raise LateError(f"admin/{path} shows no form")
        answer = self.http.post(path, data=fields | {"csrfmiddlewaretoken": token[1]})
        return answer.raise_for_status().text
