"""The embedded Valkey and the embedded chain answer as the real ones do."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from eth_account import Account

from dev import services

ONE_ETHER = 10**18


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def chain(state: Path) -> Iterator[dict[str, str]]:
    with services.running(state, names=["chain"]) as environment:
        yield environment


def call(environment: dict[str, str], method: str, *arguments: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": arguments}).encode()
    request = urllib.request.Request(environment["CHAIN_RPC_URL"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]


def wait_for_block(environment: dict[str, str], number: int) -> None:
    deadline = time.monotonic() + 60
    while int(call(environment, "eth_blockNumber"), 16) < number and time.monotonic() < deadline:
        time.sleep(0.1)


def test_valkey_speaks_redis_and_keeps_nothing(state: Path) -> None:
    for _ in range(2):
        with services.running(state, names=["valkey"]) as environment:
            assert urlsplit(environment["REDIS_URL"]).hostname == "127.0.0.1"
            client = redis.Redis.from_url(environment["REDIS_URL"])
            assert client.get("key") is None
            assert client.set("key", "value", ex=10)
            assert client.get("key") == b"value"
            client.close()


def test_the_chain_makes_a_block_a_second_and_its_operator_has_money(chain: dict[str, str]) -> None:
    operator = Account.from_key(chain["CHAIN_OPERATOR_KEY"]).address
    assert int(call(chain, "eth_chainId"), 16) == int(chain["CHAIN_ID"]) == 31337
    assert int(call(chain, "eth_getBalance", operator, "latest"), 16) >= 1000 * ONE_ETHER
    wait_for_block(chain, 2)
    assert int(call(chain, "eth_blockNumber"), 16) >= 2


def test_the_chain_can_check_a_pairing(chain: dict[str, str]) -> None:
    """EIP-2537: the pairing check of infinity with infinity is 1."""
    pairing = {"to": "0x000000000000000000000000000000000000000f", "data": "0x" + "00" * 384}
    assert int(call(chain, "eth_call", pairing, "latest"), 16) == 1


def test_the_chain_and_its_operator_survive_a_restart(state: Path) -> None:
    receiver = "0x00000000000000000000000000000000000000aa"
    with services.running(state, names=["chain"]) as environment:
        key = environment["CHAIN_OPERATOR_KEY"]
        sender = Account.from_key(key).address
        call(environment, "eth_sendTransaction", {"from": sender, "to": receiver, "value": hex(ONE_ETHER)})
        wait_for_block(environment, 2)
        height = int(call(environment, "eth_blockNumber"), 16)
    with services.running(state, names=["chain"]) as environment:
        assert environment["CHAIN_OPERATOR_KEY"] == key
        assert int(call(environment, "eth_getBalance", receiver, "latest"), 16) == ONE_ETHER
        assert int(call(environment, "eth_getTransactionCount", sender, "latest"), 16) == 1
        assert int(call(environment, "eth_blockNumber"), 16) >= height
