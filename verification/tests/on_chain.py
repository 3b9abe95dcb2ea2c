"""What the tests on a chain share: a beacon whose secret they hold, and operators of their own on the node."""

import os
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest
from eth_account import Account
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from verification.beacon import DST, Beacon
from verification.chain import Chain, Receipt, SignedCall

ETHER = 10**18


@dataclass(frozen=True)
class DevBeacon:
    """A beacon of the same scheme as quicknet that signs any round at once."""

    secret: Scalar
    beacon: Beacon

    @classmethod
    def make(cls, secret: int = 0x5EC12E7) -> "DevBeacon":
        key = (G2Point() * Scalar(secret)).to_compressed_bytes()
        return cls(Scalar(secret), Beacon(sha256(key).digest(), key, genesis_time=1_700_000_000, period=3))

    def sign(self, round_number: int) -> bytes:
        message = G1Point.hash_to_curve(sha256(round_number.to_bytes(8)).digest(), DST)
        return (message * self.secret).to_compressed_bytes()


def rpc_url() -> str:
    return _set("CHAIN_RPC_URL").split(",")[0]


def chain_id() -> int:
    return int(_set("CHAIN_ID"))


def rpc(method: str, *parameters: object) -> object:
    answer = httpx.post(rpc_url(), json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).json()
    assert "error" not in answer, answer
    return answer["result"]


def funded_chain() -> Chain:
    """The chain with an operator of its own, so that tests that run at the same time do not share nonces."""
    account = Account.create()
    rpc("anvil_setBalance", account.address, hex(ETHER))
    return Chain([rpc_url()], chain_id(), account.key.hex(), timeout=10)


def deployed(chain: Chain, dev: DevBeacon) -> str:
    contract, transaction = chain.deploy(dev.beacon, known_round=1, known_signature=dev.sign(1), first_sequence=1)
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


def new_hash() -> bytes:
    return secrets.token_bytes(32)


def _set(name: str) -> str:
    if not os.environ.get(name):
        pytest.fail(f"{name} is not set: these tests need the chain that the project's test set-up starts")
    return os.environ[name]
