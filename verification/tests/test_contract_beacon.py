"""How the draw contract verifies a round of the beacon: what passes, what does not, and what a key must be."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from py_arkworks_bls12381 import G1Point, G2Point

from verification.beacon import QUICKNET, randomness
from verification.chain import Chain
from verification.chain_types import DrawStatus
from verification.contract import artefact
from verification.contract.encoding import encode_public_key, encode_signature

from .on_chain import (
    INFINITY,
    DevBeacon,
    commit,
    deploy,
    events,
    mined,
    node,
    raw_call,
    reverts,
    settle,
)

QUICKNET_ROUNDS = json.loads((Path(__file__).parent / "data" / "drand-quicknet.json").read_text())["vectors"]
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB


@pytest.mark.parametrize("vector", QUICKNET_ROUNDS, ids=lambda vector: f"round {vector['round']}")
def test_real_quicknet_rounds_pass_and_their_neighbours_do_not(chain: Chain, vector: dict) -> None:
    signature = bytes.fromhex(vector["signature"])
    contract, transaction = deploy(
        chain, QUICKNET, known_round=vector["round"], known_signature=signature, first_sequence=1
    )
    assert mined(chain, transaction).succeeded
    for other in QUICKNET_ROUNDS:
        other_signature = bytes.fromhex(other["signature"])
        assert chain.verifies(contract, other["round"], other_signature)
        assert not chain.verifies(contract, other["round"] + 7, other_signature)


def test_a_real_quicknet_round_settles_a_draw(chain: Chain) -> None:
    # Genesis and period are no part of what is signed: an hour a round leaves the commit half an hour to fall in it.
    vector = QUICKNET_ROUNDS[0]
    signature, hour = bytes.fromhex(vector["signature"]), 3600
    genesis_time = chain_time() + hour - (vector["round"] - 1) * hour + hour // 2
    slow = replace(QUICKNET, genesis_time=genesis_time, period=hour)
    contract, transaction = deploy(
        chain, slow, known_round=vector["round"], known_signature=signature, first_sequence=1
    )
    assert mined(chain, transaction).succeeded
    manifest_hash = commit(chain, contract, delay_seconds=hour)
    assert chain.draw_state(contract, manifest_hash).round == vector["round"]
    settle(chain, contract, manifest_hash, signature)
    (event,) = events(contract, "Settled", manifest_hash=manifest_hash)
    assert event["randomness"].hex() == vector["randomness"]


def chain_time() -> int:
    block = node().eth.get_block("latest")
    return max(int(time.time()), block["timestamp"])


def test_the_contract_agrees_with_the_beacon_on_many_rounds(chain: Chain, contract: str, dev: DevBeacon) -> None:
    for round_number in (1, 2, 255, 256, 65_537, 2**32, 2**63, 2**64 - 1):
        assert dev.beacon.verify(round_number, dev.sign(round_number))
        assert chain.verifies(contract, round_number, dev.sign(round_number))


def test_both_signs_of_a_signature_s_y_give_the_same_randomness_as_off_chain(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    seen: set[bool] = set()
    for delay_seconds in range(30, 600, dev.beacon.period):
        manifest_hash = commit(chain, contract, delay_seconds=delay_seconds)
        signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
        if (sign := bool(signature[0] & 0x20)) in seen:
            continue
        seen.add(sign)
        settle(chain, contract, manifest_hash, signature)
        (event,) = events(contract, "Settled", manifest_hash=manifest_hash)
        assert event["randomness"] == randomness(signature)
        if len(seen) == 2:
            break
    assert seen == {False, True}


def test_what_is_not_the_signature_of_the_round_settles_nothing(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    round_number = chain.draw_state(contract, manifest_hash).round
    right = encode_signature(dev.sign(round_number))
    x, y = (right[0] << 256) + right[1], (right[2] << 256) + right[3]
    off_the_subgroup = G1Point.from_compressed_bytes_unchecked(b"\x80" + bytes(46) + b"\x04").to_xy_bytes_be()
    other_secret = DevBeacon.make(0xBAD)
    wrong = {
        "another round": encode_signature(dev.sign(round_number + 1)),
        "another key": encode_signature(other_secret.sign(round_number)),
        "negated": [*right[:2], *divmod(P - y, 2**256)],
        "infinity": INFINITY,
        "the generator": encode_signature(G1Point().to_compressed_bytes()),
        "off the curve": [right[0], right[1], right[2], right[3] ^ 1],
        "off the subgroup": words(off_the_subgroup),
        "x not reduced": [*divmod(x + P, 2**256), *right[2:]],
        "y not reduced": [*right[:2], *divmod(y + P, 2**256)],
        "padding not zero": [right[0] | 1 << 128, *right[1:]],
        "compressed flag set": [right[0] | 1 << 127, *right[1:]],
        "all ones": [2**256 - 1] * 4,
    }
    for name, signature in wrong.items():
        assert "not the signature of the round" in reverts(contract, "settle_many", [manifest_hash], signature), name
        assert "not the signature of the round" in reverts(contract, "settle", manifest_hash, signature), name
        assert raw_call(contract, "verify", round_number, signature) is False, name
    assert raw_call(contract, "verify", round_number, right) is True
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.COMMITTED


def words(coordinates: bytes) -> list[int]:
    x, y = int.from_bytes(coordinates[:48]), int.from_bytes(coordinates[48:])
    return [*divmod(x, 2**256), *divmod(y, 2**256)]


def test_another_draw_s_signature_settles_nothing(chain: Chain, contract: str, dev: DevBeacon) -> None:
    first, later = commit(chain, contract), commit(chain, contract, delay_seconds=300)
    rounds = [chain.draw_state(contract, each).round for each in (first, later)]
    assert rounds[0] != rounds[1]
    for manifest_hash, other in ((first, rounds[1]), (later, rounds[0])):
        signature = encode_signature(dev.sign(other))
        assert "not the signature of the round" in reverts(contract, "settle", manifest_hash, signature)


def test_too_little_gas_settles_nothing_and_spoils_nothing(chain: Chain, contract: str, dev: DevBeacon) -> None:
    # The precompiles get what the caller has left: whatever that is, the draw is settled rightly or not at all.
    manifest_hash = commit(chain, contract)
    signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
    for gas in range(30_000, 158_000, 4_000):
        reverts(contract, "settle", manifest_hash, encode_signature(signature), gas=gas)
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.COMMITTED
    settle(chain, contract, manifest_hash, signature)
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.SETTLED


@pytest.mark.parametrize("spoiled", ["key", "round", "signature", "infinity", "swapped"])
def test_a_contract_whose_self_test_fails_is_not_deployed(chain: Chain, dev: DevBeacon, spoiled: str) -> None:
    key, signature, round_number = encode_public_key(dev.beacon.public_key), encode_signature(dev.sign(1)), 1
    match spoiled:
        case "key":
            key = encode_public_key((-G2Point.from_compressed_bytes(dev.beacon.public_key)).to_compressed_bytes())
        case "round":
            round_number = 2
        case "signature":
            signature = encode_signature(dev.sign(2))
        case "infinity":
            key, signature = [0] * 8, INFINITY
        case "swapped":  # the two halves of Fp2 in the other order
            key = key[2:4] + key[:2] + key[6:] + key[4:6]
    factory = node().eth.contract(abi=artefact()["abi"], bytecode=artefact()["bytecode"])
    constructor = factory.constructor(key, 1_700_000_000, 3, bytes(32), round_number, signature, 1, 3)
    with pytest.raises(Exception, match=r"self-test failed|key is infinity"):
        constructor.estimate_gas({"from": chain.operator})
