"""A node of a chain, as far as verifiers ask one: JSON-RPC over HTTP, its answers made by a test."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

from eth_utils import keccak

from verification.contract import compile as contract
from verification.contract.encoding import encode_public_key

from .servers import answer, body_of
from .verifier_draws import Draw, seconds

RUNTIME = bytes.fromhex(json.loads(Path(contract.ARTEFACT).read_text())["runtime"].removeprefix("0x"))
WORDS = [
    *("status", "raffle", "sequence", "delay_seconds", "commit_by", "announced_at", "committed_at"),
    *("tickets", "wanted", "round", "commitment", "seed", "void_at"),
]
STATUS = {"unknown": 0, "announced": 1, "committed": 2, "settled": 3, "void": 4, "lapsed": 5}
FINAL, BLOCK_HASH = 5000, "0x" + "b1" * 32
# As public nodes answer, so that pages may ask them.
HEADERS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type"}


def selector(signature: str) -> str:
    return keccak(text=signature)[:4].hex()


@dataclass
class Node:
    """What the node says. `constants` and `draw` hold words: of getters, and of `draws()` by name, 0 where missing."""

    chain_id: int
    contract: str
    manifest_hash: str
    code: bytes
    constants: dict[str, list[int]]
    draw: dict[str, int]
    finalized: int | None = FINAL
    block_hash: str = BLOCK_HASH
    status: int = 200
    asked: list[str] = field(default_factory=list)

    @classmethod
    def honest(cls, draw: Draw, status: str = "settled") -> Self:
        """A node of the draw's chain, whose contract has all that the bundle says."""
        bundle, promise, beacon = draw.bundle, draw.manifest, draw.manifest["beacon"]
        constants = {
            "CHAIN_HASH()": [int(beacon["chain_hash"], 16)],
            "GENESIS_TIME()": [beacon["genesis_time"]],
            "PERIOD()": [beacon["period"]],
            "VOID_AFTER()": [promise["void_after_seconds"]],
            "public_key()": encode_public_key(bytes.fromhex(beacon["public_key"])),
        }
        is_committed = status in {"committed", "settled"}
        wanted = len(promise["prizes"]) + promise["alternates"]
        facts = {
            "status": STATUS[status],
            "raffle": int(promise["raffle"].replace("-", "") + "00" * 16, 16),
            "sequence": promise["sequence"],
            "delay_seconds": promise["delay_seconds"],
            "commit_by": seconds(promise["closes_at"]) + promise["commit_within_seconds"],
            "announced_at": min(leaf.at for leaf in draw.log) - 1,
            "void_at": 0,
        }
        if is_committed:
            facts |= {
                "committed_at": bundle["place"]["committed_at"],
                "tickets": bundle["entries"]["tickets"],
                "wanted": min(wanted, bundle["entries"]["tickets"]),
                "round": bundle["beacon"]["round"],
            }
        if status == "committed":
            facts["commitment"] = int(bundle["commitment"], 16)
        if status == "settled":
            facts["seed"] = int(bundle["seed"], 16)
        anchor, facts = promise["anchor"], {} if status == "unknown" else facts
        return cls(
            anchor["chain_id"], anchor["contract"], bundle["manifest_hash"], RUNTIME + bytes(384), constants, facts
        )

    def result(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_getBlockByNumber":
            assert params[1:] == [False]
            number = self.finalized if params[0] == "finalized" else int(params[0], 16)
            return None if number is None else {"number": hex(number), "hash": self.block_hash}
        assert int(params[1], 16) <= (self.finalized or 0)
        if method == "eth_getCode":
            assert params[0] == self.contract
            return "0x" + self.code.hex()
        assert (method, params[0]["to"]) == ("eth_call", self.contract)
        return "0x" + "".join(f"{word:064x}" for word in self._called(params[0]["data"].removeprefix("0x")))

    def _called(self, data: str) -> list[int]:
        if data == selector("draws(bytes32)") + self.manifest_hash:
            return [self.draw.get(name, 0) for name in WORDS]
        return next(words for name, words in self.constants.items() if data == selector(name))

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        if request.command == "OPTIONS":
            answer(request, b"", 204, HEADERS)
            return
        asked = json.loads(body_of(request))
        found = {"jsonrpc": "2.0", "id": asked["id"], "result": self.result(asked["method"], asked["params"])}
        answer(request, json.dumps(found).encode(), self.status, HEADERS)
