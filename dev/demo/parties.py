"""The outside parties as their own customers see them: Stripe, a mailbox, a chain."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"
PICKS = "a2447f9a"  # the first four bytes of keccak("picks(bytes32)"), the contract's view of a settled draw
WORD = 32


class Till:
    """Stripe: for the buyer's browser with the publishable key, and for the bookkeeper with the secret one."""

    def __init__(self, http: httpx.Client, environment: Mapping[str, str]) -> None:
        self.http, self.url = http, environment["STRIPE_API_BASE"]
        self.browser = {"Authorization": f"Bearer {environment['STRIPE_PUBLISHABLE_KEY']}"}
        self.bookkeeper = {"Authorization": f"Bearer {environment['STRIPE_SECRET_KEY']}"}

    def pay(self, client_secret: str, card: str = GOOD_CARD) -> str:
        """Pay by card like Stripe.js; return the intent's status, or the code of the decline."""
        details = {"card[number]": card, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
        made = self.http.post(f"{self.url}/v1/payment_methods", data={"type": "card"} | details, headers=self.browser)
        intent = client_secret.partition("_secret_")[0]
        confirmation = {"payment_method": made.raise_for_status().json()["id"], "client_secret": client_secret}
        url = f"{self.url}/v1/payment_intents/{intent}/confirm"
        answer = self.http.post(url, data=confirmation, headers=self.browser)
        if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
            return str(answer.json()["error"]["code"])
        return str(answer.raise_for_status().json()["status"])

    def dispute(self, client_secret: str) -> str:
        """Dispute a payment like the bank of a cardholder who denies it; return the dispute's id."""
        intent = client_secret.partition("_secret_")[0]
        made = self.http.post(f"{self.url}/_config/disputes", json={"payment_intent": intent, "reason": "fraudulent"})
        return str(made.raise_for_status().json()["id"])

    def win(self, dispute: str) -> None:
        """Submit Stripe's winning test evidence, as finance does in Stripe's dashboard."""
        evidence = {"evidence[uncategorized_text]": "winning_evidence", "submit": "true"}
        self.http.post(f"{self.url}/v1/disputes/{dispute}", data=evidence, headers=self.bookkeeper).raise_for_status()

    def books(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield all `charges`, `disputes` or `payment_intents`."""
        after: dict[str, str] = {}
        while True:
            params = {"limit": "100"} | after
            answer = self.http.get(f"{self.url}/v1/{kind}", params=params, headers=self.bookkeeper)
            page = answer.raise_for_status().json()
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}


class Mailbox:
    """Mail of all people."""

    def __init__(self, http: httpx.Client, environment: Mapping[str, str]) -> None:
        self.http, self.url = http, environment["MAIL_CATCHER_URL"]

    def messages(self, to: str | None = None) -> list[dict[str, Any]]:
        """List messages, oldest first, to one address or to all."""
        answer = self.http.get(f"{self.url}/messages", params={"to": to} if to else {})
        return answer.raise_for_status().json()


class ChainNode:
    """The chain's node, asked directly."""

    def __init__(self, http: httpx.Client, environment: Mapping[str, str]) -> None:
        self.http, self.url = http, environment["CHAIN_RPC_URL"].partition(",")[0]

    def was_mined(self, transaction: str) -> bool:
        """Whether it is in a block and did not revert."""
        receipt = self._ask("eth_getTransactionReceipt", transaction)
        return receipt is not None and receipt["status"] == "0x1"

    def picks(self, contract: str, manifest_hash: str) -> list[int]:
        """Read the indices that the contract itself picked; none before it settled."""
        data = self._ask("eth_call", {"to": contract, "data": f"0x{PICKS}{manifest_hash}"}, "latest")
        raw = bytes.fromhex((data or "0x").removeprefix("0x"))
        # An ABI-encoded array: its offset, its length, its words.
        words = [int.from_bytes(raw[at : at + WORD]) for at in range(0, len(raw), WORD)]
        return words[2 : 2 + words[1]] if words else []

    def _ask(self, method: str, *params: Any) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.http.post(self.url, json=question).raise_for_status().json().get("result")
