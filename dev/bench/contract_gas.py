"""The gas of the draw contract's calls, on a separate node with Prague's rules."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Self
from uuid import uuid4

import httpx

from dev import services
from dev.bench.ground import Ground
from dev.bench.registry import BenchError, Figure, measurement
from dev.services import beacon as dev_beacon
from verification.beacon import Beacon
from verification.chain import Chain
from verification.chain_types import Call, Receipt, SignedCall

ROUNDS = 5
TICKETS, DELAY_SECONDS, SALE_SECONDS = 1_000_000, 3601, 30 * 24 * 3600
# Published for randa-mu/bls-solidity on BLS12-381: verification alone, of an uncompressed and a compressed signature.
# A settlement verifies an uncompressed one, and pays for its transaction, the seed, the picks and the storage besides.
UNCOMPRESSED, COMPRESSED = 131_000, 214_000


@dataclass
class Office:
    """An operator with a contract, on a node that mines each transaction at once."""

    url: str
    chain: Chain
    beacon: dev_beacon.Chain
    contract: str = ""
    #: The gas of calls by name, in the order of first use.
    gas: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """Open an office with the contract deployed."""
        with (
            tempfile.TemporaryDirectory() as folder,
            services.running(Path(folder, "parts"), names=["chain"]) as started,
        ):
            chain = Chain([started["CHAIN_RPC_URL"]], int(started["CHAIN_ID"]), started["CHAIN_OPERATOR_KEY"])
            office = cls(started["CHAIN_RPC_URL"], chain, dev_beacon.Chain.kept(Path(folder), period=3))
            office.rpc("evm_setIntervalMining", 0)
            office.rpc("evm_setAutomine", True)
            office.deploy()
            yield office

    def rpc(self, method: str, *parameters: object) -> None:
        """Call a method that only a development node has. Raises BenchError if it fails."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        if error := httpx.post(self.url, json=body).json().get("error"):
            raise BenchError(f"{method}: {error}")

    def _time(self) -> int:
        newest = self.chain.block(self.chain.head())
        return newest.timestamp if newest else 0

    def deploy(self) -> None:
        terms, known = self.beacon, 1
        beacon = Beacon(bytes.fromhex(terms.hash), terms.public_key, terms.genesis_time, terms.period)
        call = self.chain.prepare_deploy(
            beacon, known_round=known, known_signature=self.signature(known), first_sequence=1
        )
        nonce = self.chain.next_nonce()
        self.send("deploy", call)
        self.contract = self.chain.deployed_address(self.chain.operator, nonce)

    def send(self, name: str, call: Call, draws: int = 1) -> None:
        """Send a call and note its gas per draw."""
        signed = self.chain.sign(call, self.chain.next_nonce())
        self.chain.broadcast(signed.raw)
        self.note(name, signed, draws)

    def note(self, name: str, signed: SignedCall, draws: int = 1) -> None:
        receipt = self._receipt(signed.hash)
        if not receipt.succeeded:
            raise BenchError(f"{name} reverted")
        self.gas.setdefault(name, []).append(round(receipt.gas_used / draws))

    def _receipt(self, transaction: str) -> Receipt:
        deadline = time.monotonic() + 20
        while (receipt := self.chain.receipt(transaction)) is None:
            if time.monotonic() > deadline:
                raise BenchError(f"{transaction} is not mined")
            time.sleep(0.01)
        return receipt

    def committed(self, draws: int, wanted: int) -> list[bytes]:
        """Commit new draws in one block, so that they share a round."""
        hashes = [secrets.token_bytes(32) for _ in range(draws)]
        for manifest_hash in hashes:
            call = self.chain.prepare_announce(
                self.contract,
                raffle=uuid4(),
                manifest_hash=manifest_hash,
                sequence=self.chain.next_sequence(self.contract),
                delay_seconds=DELAY_SECONDS,
                commit_by=int(time.time()) + SALE_SECONDS,
            )
            self.send("announce", call)
        self._mine_at(self._time() + 1)  # a commitment comes in a later second than its announcement
        calls = [
            self.chain.prepare_commit(
                self.contract,
                manifest_hash=manifest_hash,
                commitment=secrets.token_bytes(32),
                tickets=TICKETS,
                wanted=wanted,
            )
            for manifest_hash in hashes
        ]
        signed = [self.chain.sign(call, nonce) for nonce, call in enumerate(calls, start=self.chain.next_nonce())]
        self.rpc("evm_setAutomine", False)
        for each in signed:
            self.chain.broadcast(each.raw)
        self.rpc("evm_mine")
        self.rpc("evm_setAutomine", True)
        for each in signed:
            self.note("commit", each)
        return hashes

    def signature(self, number: int) -> bytes:
        return bytes.fromhex(str(self.beacon.sign(number)["signature"]))

    def settle(self, wanted: int) -> int:
        """Return the gas of settling a draw with `wanted` picks."""
        (manifest_hash,) = self.committed(1, wanted)
        signature = self.signature(self.chain.draw_state(self.contract, manifest_hash).round)
        name = f"settle {wanted}"
        self.send(name, self.chain.prepare_settle(self.contract, manifest_hash, signature=signature))
        return self.gas[name][-1]

    def settle_together(self, draws: int, wanted: int) -> None:
        hashes = self.committed(draws, wanted)
        signature = self.signature(self.chain.draw_state(self.contract, hashes[0]).round)
        call = self.chain.prepare_settle_many(self.contract, hashes, signature=signature)
        self.send(f"settle_many {draws} x {wanted}", call, draws)

    def void(self) -> None:
        (manifest_hash,) = self.committed(1, 1)
        state = self.chain.draw_state(self.contract, manifest_hash)
        self._mine_at(self.beacon.genesis_time + (state.round - 1) * self.beacon.period + 8 * 24 * 3600)
        self.send("declare_void", self.chain.prepare_declare_void(self.contract, manifest_hash))
        self._mine_at(self.chain.draw_state(self.contract, manifest_hash).void_at)
        self.send("void", self.chain.prepare_void(self.contract, manifest_hash))

    def _mine_at(self, moment: int) -> None:
        self.rpc("evm_setNextBlockTimestamp", moment)
        self.rpc("evm_mine")


@measurement(unit="gas")
def settle_gas(ground: Ground) -> Figure:
    """The contract's settlement of a draw with one pick, beside what randa-mu/bls-solidity publishes for verifying an
    uncompressed BLS12-381 signature alone; ratio is how much more the whole settlement takes. Below: all calls.

    Gas depends on code and arguments, not on the machine.
    """
    with Office.opened() as office:
        values = [office.settle(1) for _ in range(ROUNDS)]
        for wanted in (3, 10, 100):
            for _ in range(ROUNDS):
                office.settle(wanted)
        for draws, wanted in ((2, 1), (4, 1), (8, 1), (4, 3), (4, 10)):
            office.settle_together(draws, wanted)
        office.void()
        lines = [f"{name:<20} {median(used):>9,.0f}  (at most {max(used):,})" for name, used in office.gas.items()]
    note = "gas by call, and by draw where several are settled in one (draws x picks):\n" + "\n".join(lines)
    published = f"published, verification alone: {UNCOMPRESSED:,} uncompressed, {COMPRESSED:,} compressed"
    return Figure(values, [UNCOMPRESSED] * ROUNDS, f"{note}\n{published}")
