"""The contract's draws as the node itself has them, read without our rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

# The first word of an event's topics, and of a call's data, as in Solidity: keccak of name and types.
EVENTS = {
    "bd0fba78f294a2d95afcc9f6bf54a12eb1411d8a1784ec66a655ce2dec576754": "announce",
    "5a648e9b7e2db8f674713ecbe264a45e717e7710a65b80e7670f93c2240373e6": "commit",
    "a8f56a533688b971ae78828d873e312e13a3c734a4f1aa7a9cd0cf39802ef989": "settle",
}
CALLS = {"f7df9e97": "announce", "e57fbce3": "commit", "9460de12": "settle", "f6830656": "settle"}
ANNOUNCE, SETTLE_MANY = "f7df9e97", "f6830656"
WORD, SELECTOR = 64, 8  # hex digits
AT_ONCE = 200  # blocks per request


@dataclass(frozen=True)
class Event:
    """An event of the contract about a draw; its values besides the manifest's hash, as numbers."""

    transaction: str
    topics: list[int]
    words: list[int]


@dataclass
class ChainBooks:
    """All events and transactions of the operator that are in the chain. Hashes are hex without 0x."""

    #: By step and manifest hash.
    events: defaultdict[tuple[str, str], list[Event]] = field(default_factory=lambda: defaultdict(list))
    #: How many transactions called the step for this manifest hash, reverted ones too.
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: How often each number was announced.
    numbers: Counter[int] = field(default_factory=Counter)
    #: The operator's transactions in blocks, its nonces spent, and those with what waits at the node.
    sent: int = 0
    nonces: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, http: httpx.Client, url: str) -> "ChainBooks":
        """Read the whole chain. Raises httpx.HTTPError while the node is down."""
        books, node = cls(), Node(http, url)
        operator = node.ask("eth_accounts")[0]
        head = int(node.ask("eth_blockNumber"), 16)
        for log in node.ask("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(head)}):
            books._note_event(log)
        for first in range(0, head + 1, AT_ONCE):
            blocks = [("eth_getBlockByNumber", hex(n), True) for n in range(first, min(first + AT_ONCE, head + 1))]
            for block in node.ask_all(blocks):
                for sent in block["transactions"]:
                    if sent["from"] == operator:
                        books.note_call(sent["input"].removeprefix("0x"))
        books.nonces = int(node.ask("eth_getTransactionCount", operator, hex(head)), 16)
        books.waiting = int(node.ask("eth_getTransactionCount", operator, "pending"), 16)
        return books

    def faults(self, known: int) -> list[str]:
        """List what is wrong with the chain as a whole; `known` is the number of transactions in our rows."""
        found = [f"number {number} was announced {times} times" for number, times in self.numbers.items() if times > 1]
        if sorted(self.numbers) != list(range(1, len(self.numbers) + 1)):
            found.append(f"the announced numbers are {sorted(self.numbers)}")
        if not self.sent == self.nonces == self.waiting == known:
            found.append(
                f"{self.sent} transactions are in blocks, {self.nonces} nonces are spent, {self.waiting} with those "
                f"that wait; the rows are {known}"
            )
        return found

    def _note_event(self, log: dict[str, Any]) -> None:
        signature, *topics = (topic.removeprefix("0x") for topic in log["topics"])
        if signature not in EVENTS:
            return
        event = Event(log["transactionHash"], [int(each, 16) for each in topics[1:]], _words(log["data"]))
        self.events[EVENTS[signature], topics[0]].append(event)
        if EVENTS[signature] == "announce":
            _raffle, number = event.topics
            self.numbers[number] += 1

    def note_call(self, data: str) -> None:
        """Count what a transaction of the operator calls; `data` in hex."""
        self.sent += 1
        selector, arguments = data[:SELECTOR], data[SELECTOR:]
        if selector not in CALLS:
            return  # the deployment
        words = [arguments[at : at + WORD] for at in range(0, len(arguments), WORD)]
        if selector == SETTLE_MANY:
            at = int(words[0], 16) // (WORD // 2)  # where the array is: its length, then its words
            hashes: Sequence[str] = words[at + 1 : at + 1 + int(words[at], 16)]
        else:
            hashes = words[1:2] if selector == ANNOUNCE else words[:1]
        self.calls.update((CALLS[selector], each) for each in hashes)


class Node:
    """The chain's node, asked directly."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self.http, self.url = http, url.partition(",")[0]

    def ask(self, method: str, *params: Any) -> Any:
        """Ask one question and return the answer. Raises httpx.HTTPError."""
        return self.ask_all([(method, *params)])[0]

    def ask_all(self, questions: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask questions, each a method and its parameters; return the answers in order."""
        sent = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, *params) in enumerate(questions)
        ]
        answers = self.http.post(self.url, json=sent).raise_for_status().json()
        return [answer["result"] for answer in sorted(answers, key=lambda answer: int(answer["id"]))]


def _words(data: str) -> list[int]:
    raw = data.removeprefix("0x")
    return [int(raw[at : at + WORD], 16) for at in range(0, len(raw), WORD)]
