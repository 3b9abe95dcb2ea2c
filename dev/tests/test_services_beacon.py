"""The dev beacon's rounds verify as drand's do, and none comes before its time."""

import hashlib
import json
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from py_arkworks_bls12381 import GT, G1Point, G2Point

from dev import services
from dev.services.beacon import BEACON_ID, Chain, chain_hash

DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with services.running(tmp_path_factory.mktemp("beacon"), names=["beacon"]) as environment:
        yield environment


def get(environment: dict[str, str], path: str) -> Any:
    with urllib.request.urlopen(environment["BEACON_URLS"] + path) as answer:
        return json.load(answer)


def status(environment: dict[str, str], path: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(environment, path)
    with refusal.value as answer:  # it holds its connection
        return answer.code


def verifies(round_: dict[str, Any], public_key: str) -> bool:
    message = hashlib.sha256(struct.pack(">Q", round_["round"])).digest()
    signature = G1Point.from_compressed_bytes(bytes.fromhex(round_["signature"]))
    key = G2Point.from_compressed_bytes(bytes.fromhex(public_key))
    return GT.multi_pairing([signature, -G1Point.hash_to_curve(message, DST)], [G2Point(), key]) == GT.one()


def test_its_facts_are_those_of_the_environment(environment: dict[str, str]) -> None:
    info = get(environment, "/info")
    assert info == get(environment, f"/{environment['BEACON_CHAIN_HASH']}/info")
    assert info["hash"] == environment["BEACON_CHAIN_HASH"]
    assert info["public_key"] == environment["BEACON_PUBLIC_KEY"]
    assert (info["genesis_time"], info["period"]) == (int(environment["BEACON_GENESIS_TIME"]), 3)
    assert (info["schemeID"], info["metadata"]) == ("bls-unchained-g1-rfc9380", {"beaconID": BEACON_ID})


def test_rounds_verify_under_the_public_key(environment: dict[str, str]) -> None:
    chain = environment["BEACON_CHAIN_HASH"]
    for path in ("/public/1", f"/{chain}/public/2", "/public/latest", f"/{chain}/public/latest"):
        round_ = get(environment, path)
        assert verifies(round_, environment["BEACON_PUBLIC_KEY"])
        assert round_["randomness"] == hashlib.sha256(bytes.fromhex(round_["signature"])).hexdigest()


def test_a_round_does_not_verify_as_another(environment: dict[str, str]) -> None:
    assert not verifies(get(environment, "/public/1") | {"round": 2}, environment["BEACON_PUBLIC_KEY"])


def test_the_latest_round_is_that_of_the_clock_and_the_next_is_too_early(environment: dict[str, str]) -> None:
    latest = get(environment, "/public/latest")["round"]
    begins = int(environment["BEACON_GENESIS_TIME"]) + (latest - 1) * 3
    assert begins <= time.time() < begins + 3 + 1
    assert status(environment, f"/public/{latest + 2}") == 425
    assert get(environment, "/health")["current"] >= latest


@pytest.mark.parametrize("path", ["/public/0", "/public/x", f"/{'0' * 64}/public/1", "/public/-1", "/nothing"])
def test_what_does_not_exist_is_not_found(environment: dict[str, str], path: str) -> None:
    assert status(environment, path) == 404


def test_the_chain_hash_is_drands_own() -> None:
    """Checked against the facts of a real network, quicknet."""
    public_key = bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2"
        "2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    )
    group_hash = bytes.fromhex("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e")
    found = chain_hash(3, 1692803367, public_key, group_hash, "quicknet")
    assert found == "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"


def test_a_chain_is_kept_and_each_period_is_a_chain_of_its_own(tmp_path: Path) -> None:
    assert Chain.kept(tmp_path, 3) == Chain.kept(tmp_path, 3)
    assert Chain.kept(tmp_path, 3).hash != Chain.kept(tmp_path, 1).hash
    assert (tmp_path / "chain-3s.json").stat().st_mode & 0o077 == 0
