"""What the tests on a chain share: a beacon whose secret they hold, and operators of their own on the node."""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from eth_account import Account
from py_arkworks_bls12381 import G1Point, G2Point, Scalar
from web3 import Web3
from web3.contract import Contract

from luxewin.tests.asking import HTTP
from verification.beacon import DST, Beacon
from verification.chain import Chain
from verification.chain_types import GWEI, Fees, Receipt, SignedCall
from verification.contract import VOID_AFTER, artefact
from verification.contract.encoding import encode_signature

ETHER = 10**18
FEES = Fees(most=20 * GWEI, tip=GWEI)
INFINITY = [0, 0, 0, 0]
ZERO = "0x" + "00" * 20
FAR_OFF = 2**39  # a time that no test reaches, however far it moves a node's clock
NOBODY = "0x1111111111111111111111111111111111111111"


@dataclass(frozen=True)
class DevBeacon:
    """A beacon of the same scheme as quicknet that signs any round at once."""

    secret: Scalar
    beacon: Beacon

    @classmethod
    def make(cls, secret: int = 0x5EC12E7, genesis_time: int = 1_700_000_000) -> "DevBeacon":
        key = (G2Point() * Scalar(secret)).to_compressed_bytes()
        return cls(Scalar(secret), Beacon(sha256(key).digest(), key, genesis_time=genesis_time, period=3))

    def sign(self, round_number: int) -> bytes:
        message = G1Point.hash_to_curve(sha256(round_number.to_bytes(8)).digest(), DST)
        return (message * self.secret).to_compressed_bytes()


def rpc_url() -> str:
    return _set("CHAIN_RPC_URL").split(",")[0]


def chain_id() -> int:
    return int(_set("CHAIN_ID"))


def rpc(method: str, *parameters: object) -> object:
    answer = HTTP.post(rpc_url(), json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).json()
    assert "error" not in answer, answer
    return answer["result"]


def latest_time() -> int:
    """The time of the newest block."""
    return int(rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # type: ignore[index]


def until_block(moment: float) -> None:
    """Waits for a block of that time: the chain's clock goes by its blocks, which come late on a busy machine."""
    deadline = time.monotonic() + 60 + max(0, moment - time.time())
    while latest_time() < moment:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def node() -> Web3:
    """The node without the chain's door, for what the door would not do."""
    return Web3(Web3.HTTPProvider(rpc_url()))


def mine_at(moment: int) -> None:
    """An empty block at a moment to come, in Unix seconds, as which calls then see the present. Own nodes only."""
    rpc("evm_setNextBlockTimestamp", moment)
    rpc("evm_mine")


def in_a_later_second() -> None:
    """The next block is dated after the newest: this node dates all blocks of a second alike. Own nodes only."""
    rpc("evm_setNextBlockTimestamp", latest_time() + 1)


def funded_chain() -> Chain:
    """The chain with an operator of its own, so that tests that run at the same time do not share nonces."""
    account = Account.create()
    rpc("anvil_setBalance", account.address, hex(ETHER))
    return Chain([rpc_url()], chain_id(), account.key.hex(), timeout=10)


def deploy(chain: Chain, beacon: Beacon, **terms: Any) -> tuple[str, str]:
    """Sends the contract; its address and the transaction's hash."""
    call = chain.sign(chain.prepare_deploy(beacon, **terms), chain.next_nonce())
    chain.broadcast(call.raw)
    return chain.deployed_address(chain.operator, call.nonce), call.hash


def deployed(chain: Chain, dev: DevBeacon, first_sequence: int = 1) -> str:
    contract, transaction = deploy(
        chain, dev.beacon, known_round=1, known_signature=dev.sign(1), first_sequence=first_sequence
    )
    assert mined(chain, transaction).succeeded
    return contract


def send(chain: Chain, call: SignedCall) -> Receipt:
    chain.broadcast(call.raw)
    return mined(chain, call.hash)


def mined(chain: Chain, transaction: str) -> Receipt:
    deadline = time.monotonic() + 20
    while (receipt := chain.receipt(transaction)) is None:
        assert time.monotonic() < deadline, f"{transaction} is not mined"
        time.sleep(0.05)
    return receipt


def transact(chain: Chain, contract: str, function: str, *arguments: object) -> Receipt:
    """Calls any function of the contract, and succeeds. Nothing is simulated before: that takes most of the time."""
    receipt = send(chain, _signed(chain, contract, function, arguments, chain.next_nonce(), gas=4_000_000))
    assert receipt.succeeded, f"{function} reverted"
    return receipt


def transact_by(chain: Chain, contract: str, function: str, *arguments: object) -> None:
    """Sends a call of the contract, which somebody else mines."""
    chain.broadcast(_signed(chain, contract, function, arguments, chain.next_nonce(), gas=100_000).raw)


def transact_together(chain: Chain, contract: str, function: str, *calls: Sequence[object]) -> None:
    """Calls a function with each of these arguments, in one block. Own nodes only."""
    first = chain.next_nonce()
    gas = 20_000_000 // len(calls)  # a block holds 30 million
    signed = [_signed(chain, contract, function, each, nonce, gas) for nonce, each in enumerate(calls, start=first)]
    rpc("evm_setAutomine", False)
    for call in signed:
        chain.broadcast(call.raw)
    rpc("evm_mine")
    rpc("evm_setAutomine", True)
    receipts = [mined(chain, call.hash) for call in signed]
    assert all(receipt.succeeded for receipt in receipts), f"{function} reverted"
    assert len({receipt.block_number for receipt in receipts}) == 1


def _signed(
    chain: Chain, contract: str, function: str, arguments: Sequence[object], nonce: int, gas: int
) -> SignedCall:
    data = _at(rpc_url(), contract).encode_abi(function, args=arguments)
    return chain.sign(chain.call_of(contract, bytes.fromhex(data[2:]), gas, FEES), nonce)


def terms_of(contract: str, **terms: Any) -> list[Any]:
    """The arguments of an announcement that the contract takes next, but for the terms given."""
    usual = {"raffle": new_raffle(), "manifest_hash": new_hash(), "sequence": None}
    usual |= {"delay_seconds": 30, "commit_by": FAR_OFF} | terms
    if usual["sequence"] is None:
        usual["sequence"] = raw_call(contract, "next_sequence")
    return list(usual.values())


def announce(chain: Chain, contract: str, delay_seconds: int = 30, **terms: Any) -> bytes:
    arguments = terms_of(contract, delay_seconds=delay_seconds, **terms)
    transact(chain, contract, "announce", *arguments)
    return arguments[1]


def commit(chain: Chain, contract: str, tickets: int = 1000, wanted: int = 3, delay_seconds: int = 30) -> bytes:
    manifest_hash = announce(chain, contract, delay_seconds)
    in_a_later_second()
    transact(chain, contract, "commit", manifest_hash, new_hash(), tickets, wanted)
    return manifest_hash


def commit_together(chain: Chain, contract: str, *terms: tuple[int, int], delays: Sequence[int] = ()) -> list[bytes]:
    """Draws of so many tickets and picks each, committed in one block; of one round unless their delays differ."""
    hashes = sorted(new_hash() for _ in terms)
    first = raw_call(contract, "next_sequence")
    delays = delays or [30] * len(hashes)
    announced = [
        terms_of(contract, manifest_hash=manifest_hash, sequence=sequence, delay_seconds=delay)
        for manifest_hash, sequence, delay in zip(hashes, range(first, first + len(hashes)), delays, strict=True)
    ]
    transact_together(chain, contract, "announce", *announced)
    in_a_later_second()
    committed = [(manifest_hash, new_hash(), *each) for manifest_hash, each in zip(hashes, terms, strict=True)]
    transact_together(chain, contract, "commit", *committed)
    return hashes


def settle(chain: Chain, contract: str, manifest_hash: bytes, signature: bytes) -> Receipt:
    return transact(chain, contract, "settle", manifest_hash, encode_signature(signature))


def settle_many(chain: Chain, contract: str, manifest_hashes: Sequence[bytes], signature: bytes) -> Receipt:
    return transact(chain, contract, "settle_many", list(manifest_hashes), encode_signature(signature))


def overdue(chain: Chain, contract: str, dev: DevBeacon) -> bytes:
    """A committed draw that may be declared void."""
    manifest_hash = commit(chain, contract)
    mine_at(dev.beacon.time_of(chain.draw_state(contract, manifest_hash).round) + VOID_AFTER)
    return manifest_hash


def declared(chain: Chain, contract: str, dev: DevBeacon) -> bytes:
    """A draw that has been declared void, whose delay has passed."""
    manifest_hash = overdue(chain, contract, dev)
    transact(chain, contract, "declare_void", manifest_hash)
    mine_at(chain.draw_state(contract, manifest_hash).void_at)
    return manifest_hash


def raw_call(contract: str, function: str, *arguments: object, **transaction: object) -> Any:
    """Calls the contract without the chain's door, so that arguments that the door would not pass can be tried."""
    return _at(rpc_url(), contract).functions[function](*arguments).call(transaction)


def reverts(contract: str, function: str, *arguments: object, sender: str = NOBODY, **transaction: object) -> str:
    """Why such a call reverts; that it does is asserted."""
    with pytest.raises(Exception, match=r"revert|OOG|OutOfGas") as caught:
        raw_call(contract, function, *arguments, **{"from": sender}, **transaction)
    return str(caught.value)


@cache
def _at(url: str, contract: str) -> Contract:
    return Web3(Web3.HTTPProvider(url)).eth.contract(contract, abi=artefact()["abi"])  # slow to make


def events(contract: str, name: str, **wanted: object) -> list[dict[str, Any]]:
    """The arguments of the contract's events of this name, those wanted being indexed ones."""
    event = _at(rpc_url(), contract).events[name]
    return [dict(each["args"]) for each in event.get_logs(from_block=0, argument_filters=wanted)]


def new_hash() -> bytes:
    return secrets.token_bytes(32)


def new_raffle() -> bytes:
    return uuid4().bytes


def _set(name: str) -> str:
    if not os.environ.get(name):
        pytest.fail(f"{name} is not set: these tests need the chain that the project's test set-up starts")
    return os.environ[name]
