"""A node of a chain, as far as verifiers ask one: JSON-RPC over HTTP, its answers made by a test."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from eth_utils import keccak

from verification.contract.encoding import encode_public_key

from .verifier_draws import Draw, seconds

WORDS = [
    *("status", "raffle", "sequence", "delay_seconds", "commit_by", "announced_at", "committed_at"),
    *("tickets", "wanted", "round", "commitment", "seed", "void_at"),
]
STATUS = {"announced": 1, "committed": 2, "settled": 3, "void": 4, "lapsed": 5}
BLOCK_HASH = "0x" + "b1" * 32


def selector(signature: str) -> str:
    return keccak(text=signature)[:4].hex()


@dataclass
class Node:
    """What the node says. `code` is hex; `draw` holds the words of `draws()` by name, as numbers."""

    chain_id: int
    code: str
    constants: dict[str, str]
    draw: dict[str, int]
    finalized: int | None = 5000
    block_hash: str = BLOCK_HASH
    status: int = 200
    asked: list[str] = field(default_factory=list)

    @classmethod
    def honest(cls, draw: Draw, runtime: bytes, status: str = "settled") -> Self:
        """A node of the draw's chain, whose contract has all that the bundle says."""
        bundle, promise, beacon = draw.bundle, draw.manifest, draw.manifest["beacon"]
        key = encode_public_key(bytes.fromhex(beacon["public_key"]))
        constants = {
            "CHAIN_HASH()": beacon["chain_hash"],
            "GENESIS_TIME()": word(beacon["genesis_time"]),
            "PERIOD()": word(beacon["period"]),
            "VOID_AFTER()": word(promise["void_after_seconds"]),
            "public_key()": "".join(map(word, key)),
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
        return cls(promise["anchor"]["chain_id"], "0x" + runtime.hex() + "07" * 384, constants, facts)

    def result(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_getBlockByNumber":
            number = self.finalized if params[0] == "finalized" else int(params[0], 16)
            return None if number is None else {"number": hex(number), "hash": self.block_hash}
        if method == "eth_getCode":
            return self.code
        called = {selector(name): name for name in (*self.constants, "draws(bytes32)")}
        name = called[params[0]["data"][2:10]]
        if name == "draws(bytes32)":
            return "0x" + "".join(word(self.draw.get(one, 0)) for one in WORDS)
        return "0x" + self.constants[name]


def word(number: int) -> str:
    return f"{number:064x}"


class NodeServer:
    """Serves a node while it is entered; `url` is its address."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self.node))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def handler_of(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._send(204, b"")

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": node.result(asked["method"], asked["params"])}
            self._send(node.status, json.dumps(answer).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            # As public nodes do, so that pages may ask them.
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "Content-Type")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
