"""The draw contract on a real node: what it computes equals the protocol off-chain, and what it refuses."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from py_arkworks_bls12381 import G1Point, G2Point
from web3 import Web3

from verification.beacon import QUICKNET, randomness
from verification.chain import Chain, ChainRejected, DrawStatus
from verification.contract import MAX_PICKS, artefact
from verification.contract.compile import ARTEFACT, SOURCE, as_text, compile_source
from verification.contract.encoding import encode_public_key, encode_signature
from verification.picks import pick_indices, seed

from .on_chain import DevBeacon, deployed, funded_chain, mined, new_hash, rpc_url, send

DATA = Path(__file__).parent / "data"
QUICKNET_ROUNDS = json.loads((DATA / "drand-quicknet.json").read_text())["vectors"]
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
INFINITY = [0, 0, 0, 0]


@pytest.fixture(scope="module")
def dev() -> DevBeacon:
    return DevBeacon.make()


@pytest.fixture(scope="module")
def chain() -> Chain:
    return funded_chain()


@pytest.fixture(scope="module")
def contract(chain: Chain, dev: DevBeacon) -> str:
    return deployed(chain, dev)


def announce(chain: Chain, contract: str, delay_seconds: int = 30) -> bytes:
    manifest_hash = new_hash()
    sequence = raw_call(contract, "next_sequence")
    terms = {"sequence": sequence, "delay_seconds": delay_seconds}
    assert send(
        chain, chain.sign(chain.prepare_announce(contract, manifest_hash, **terms), chain.next_nonce())
    ).succeeded
    return manifest_hash


def commit(chain: Chain, contract: str, tickets: int = 1000, wanted: int = 3, delay_seconds: int = 30) -> bytes:
    manifest_hash = announce(chain, contract, delay_seconds)
    entries = {"root": new_hash(), "tickets": tickets, "wanted": wanted}
    assert send(
        chain, chain.sign(chain.prepare_commit(contract, manifest_hash, **entries), chain.next_nonce())
    ).succeeded
    return manifest_hash


def settle(chain: Chain, contract: str, manifest_hash: bytes, signature: bytes) -> None:
    assert send(
        chain, chain.sign(chain.prepare_settle(contract, manifest_hash, signature=signature), chain.next_nonce())
    ).succeeded


def raw_call(contract: str, function: str, *arguments: object, sender: str | None = None) -> object:
    """Calls the contract without the chain's door, so that arguments that the door would not pass can be tried."""
    node = Web3(Web3.HTTPProvider(rpc_url()))
    call = node.eth.contract(contract, abi=artefact()["abi"]).functions[function](*arguments)
    return call.call({"from": sender} if sender else {})


def reverts(contract: str, function: str, *arguments: object, sender: str | None = None) -> str:
    with pytest.raises(Exception, match="revert") as caught:
        raw_call(contract, function, *arguments, sender=sender)
    return str(caught.value)


def test_compiling_the_source_gives_the_committed_artefact() -> None:
    assert as_text(compile_source()) == ARTEFACT.read_text()
    assert artefact()["source_sha256"] == sha256(SOURCE.read_bytes()).hexdigest()


def test_the_limit_on_picks_is_the_contract_s(contract: str) -> None:
    assert raw_call(contract, "MAX_PICKS") == MAX_PICKS


def test_the_contract_holds_the_beacon(contract: str, dev: DevBeacon) -> None:
    assert raw_call(contract, "public_key") == encode_public_key(dev.beacon.public_key)
    assert raw_call(contract, "CHAIN_HASH") == dev.beacon.chain_hash
    assert raw_call(contract, "GENESIS_TIME") == dev.beacon.genesis_time
    assert raw_call(contract, "PERIOD") == dev.beacon.period


@pytest.mark.parametrize("vector", QUICKNET_ROUNDS, ids=lambda vector: f"round {vector['round']}")
def test_real_quicknet_rounds_pass_and_their_neighbours_do_not(chain: Chain, vector: dict) -> None:
    signature = bytes.fromhex(vector["signature"])
    contract, transaction = chain.deploy(
        QUICKNET, known_round=vector["round"], known_signature=signature, first_sequence=1
    )
    assert mined(chain, transaction).succeeded
    for other in QUICKNET_ROUNDS:
        other_signature = bytes.fromhex(other["signature"])
        assert chain.verifies(contract, other["round"], other_signature)
        assert not chain.verifies(contract, other["round"] + 7, other_signature)


def test_the_contract_agrees_with_the_beacon_on_many_rounds(chain: Chain, contract: str, dev: DevBeacon) -> None:
    for round_number in (1, 2, 255, 256, 65_537, 2**32, 2**63, 2**64 - 1):
        assert dev.beacon.verify(round_number, dev.sign(round_number))
        assert chain.verifies(contract, round_number, dev.sign(round_number))


def test_the_steps_leave_their_facts_in_the_contract(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash, root = new_hash(), new_hash()
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.UNKNOWN
    sequence = raw_call(contract, "next_sequence")
    call = chain.sign(
        chain.prepare_announce(contract, manifest_hash, sequence=sequence, delay_seconds=45), chain.next_nonce()
    )
    assert send(chain, call).succeeded
    state = chain.draw_state(contract, manifest_hash)
    assert (state.status, state.sequence, state.delay_seconds) == (DrawStatus.ANNOUNCED, sequence, 45)
    assert (state.root, state.tickets, state.wanted, state.committed_at, state.round) == (bytes(32), 0, 0, 0, 0)

    call = chain.sign(
        chain.prepare_commit(contract, manifest_hash, root=root, tickets=790, wanted=5), chain.next_nonce()
    )
    block_time = send(chain, call).block_timestamp
    state = chain.draw_state(contract, manifest_hash)
    assert (state.status, state.sequence, state.delay_seconds) == (DrawStatus.COMMITTED, sequence, 45)
    assert (state.root, state.tickets, state.wanted, state.committed_at) == (root, 790, 5, block_time)
    assert state.round == dev.beacon.first_round_at(block_time + 45)
    assert state.seed == bytes(32)

    settle(chain, contract, manifest_hash, dev.sign(state.round))
    settled = chain.draw_state(contract, manifest_hash)
    assert settled == replace(state, status=DrawStatus.SETTLED, seed=settled.seed)
    assert settled.seed != bytes(32)


def test_the_round_is_the_first_at_the_delay_also_when_it_falls_on_it(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    # Three draws whose delays differ by a second, committed in one block: one of them ends just when a round appears.
    delays = [30, 31, 32]
    announced = [announce(chain, contract, delay) for delay in delays]
    entries = {"root": new_hash(), "tickets": 1000, "wanted": 3}
    calls = [chain.prepare_commit(contract, each, **entries) for each in announced]
    first = chain.next_nonce()
    signed = [chain.sign(call, nonce) for nonce, call in enumerate(calls, start=first)]
    for each in signed:
        chain.broadcast(each.raw)
    assert all(mined(chain, each.hash).succeeded for each in signed)
    states = [chain.draw_state(contract, each) for each in announced]
    left = set()
    for delay, state in zip(delays, states, strict=True):
        due = state.committed_at + delay
        assert state.round == dev.beacon.first_round_at(due)
        left.add(dev.beacon.time_of(state.round) - due)
    assert left == set(range(dev.beacon.period)) or len({state.committed_at for state in states}) > 1


@pytest.mark.parametrize(
    ("tickets", "wanted"),
    [(1, 1), (2, 2), (5, 5), (64, 10), (100, 100), (1143, 10), (2**32, 3), (2**63, 3), (2**64 - 1, 100)],
    ids=str,
)
def test_seed_and_picks_equal_those_off_chain_to_the_byte(
    chain: Chain, contract: str, dev: DevBeacon, tickets: int, wanted: int
) -> None:
    manifest_hash = commit(chain, contract, tickets, wanted)
    state = chain.draw_state(contract, manifest_hash)
    signature = dev.sign(state.round)
    settle(chain, contract, manifest_hash, signature)
    drawn = seed(
        chain_hash=dev.beacon.chain_hash,
        round=state.round,
        randomness=randomness(signature),
        manifest_hash=manifest_hash,
        root=state.root,
        tickets=tickets,
    )
    assert chain.draw_state(contract, manifest_hash).seed == drawn
    assert chain.settled_picks(contract, manifest_hash) == pick_indices(drawn, tickets, wanted)


def test_both_signs_of_a_signature_s_y_give_the_same_randomness_as_off_chain(
    chain: Chain, contract: str, dev: DevBeacon
) -> None:
    seen: set[bool] = set()
    for delay_seconds in range(30, 600, dev.beacon.period):
        manifest_hash = commit(chain, contract, delay_seconds=delay_seconds)
        state = chain.draw_state(contract, manifest_hash)
        signature = dev.sign(state.round)
        if (sign := bool(signature[0] & 0x20)) in seen:
            continue
        seen.add(sign)
        settle(chain, contract, manifest_hash, signature)
        assert settled_event(contract, manifest_hash)["randomness"] == randomness(signature)
        if len(seen) == 2:
            break
    assert seen == {False, True}


def test_the_settled_event_carries_round_seed_and_picks(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract, 1000, 10)
    round_number = chain.draw_state(contract, manifest_hash).round
    settle(chain, contract, manifest_hash, dev.sign(round_number))
    event = settled_event(contract, manifest_hash)
    assert event["round"] == round_number
    assert event["seed"] == chain.draw_state(contract, manifest_hash).seed
    assert event["picks"] == chain.settled_picks(contract, manifest_hash)


def settled_event(contract: str, manifest_hash: bytes) -> dict:
    node = Web3(Web3.HTTPProvider(rpc_url()))
    settled = node.eth.contract(contract, abi=artefact()["abi"]).events.Settled
    (found,) = settled.get_logs(from_block=0, argument_filters={"manifest_hash": manifest_hash})
    return found["args"]


def test_anyone_may_settle(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    settle(funded_chain(), contract, manifest_hash, dev.sign(chain.draw_state(contract, manifest_hash).round))
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.SETTLED


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
        assert "not the signature of the round" in reverts(contract, "settle", manifest_hash, signature), name
        assert raw_call(contract, "verify", round_number, signature) is False, name
    assert raw_call(contract, "verify", round_number, right) is True
    assert chain.draw_state(contract, manifest_hash).status is DrawStatus.COMMITTED


def words(coordinates: bytes) -> list[int]:
    x, y = int.from_bytes(coordinates[:48]), int.from_bytes(coordinates[48:])
    return [*divmod(x, 2**256), *divmod(y, 2**256)]


def test_a_draw_is_committed_once_and_settled_once(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = commit(chain, contract)
    again = {"root": new_hash(), "tickets": 5, "wanted": 1}
    with pytest.raises(ChainRejected, match="already committed"):
        chain.prepare_commit(contract, manifest_hash, **again)
    signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
    settle(chain, contract, manifest_hash, signature)
    with pytest.raises(ChainRejected, match="already settled"):
        chain.sign(chain.prepare_settle(contract, manifest_hash, signature=signature), chain.next_nonce())
    with pytest.raises(ChainRejected, match="already committed"):
        chain.prepare_commit(contract, manifest_hash, **again)


def test_the_steps_have_an_order(chain: Chain, contract: str, dev: DevBeacon) -> None:
    assert "not announced" in reverts(contract, "commit", new_hash(), new_hash(), 5, 1, sender=chain.operator)
    assert "not committed" in reverts(contract, "settle", new_hash(), INFINITY)
    announced = announce(chain, contract)
    assert "not committed" in reverts(contract, "settle", announced, encode_signature(dev.sign(1)))
    assert "not settled" in reverts(contract, "picks", announced)
    assert "not settled" in reverts(contract, "picks", commit(chain, contract))


def test_only_the_operator_announces_and_commits(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    stranger = funded_chain()
    nonce = stranger.next_nonce()
    with pytest.raises(ChainRejected, match="not the operator"):
        stranger.sign(stranger.prepare_announce(contract, new_hash(), sequence=1, delay_seconds=30), nonce)
    with pytest.raises(ChainRejected, match="not the operator"):
        stranger.sign(stranger.prepare_commit(contract, manifest_hash, root=new_hash(), tickets=5, wanted=1), nonce)


def test_the_sequence_has_no_gap_and_no_repetition(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    sequence = raw_call(contract, "next_sequence")
    assert chain.draw_state(contract, manifest_hash).sequence == sequence - 1
    for wrong in (0, sequence - 1, sequence + 1):
        reason = reverts(contract, "announce", new_hash(), wrong, 30, sender=chain.operator)
        assert "not the next sequence" in reason
    assert "already announced" in reverts(contract, "announce", manifest_hash, sequence, 30, sender=chain.operator)


def test_the_delay_is_at_least_a_period(chain: Chain, contract: str, dev: DevBeacon) -> None:
    sequence = raw_call(contract, "next_sequence")
    too_short = dev.beacon.period - 1
    reason = reverts(contract, "announce", new_hash(), sequence, too_short, sender=chain.operator)
    assert "delay below a period" in reason


@pytest.mark.parametrize(("tickets", "wanted"), [(0, 0), (0, 1), (5, 0), (5, 6), (1000, 101)])
def test_an_impossible_number_of_picks_is_not_committed(chain: Chain, contract: str, tickets: int, wanted: int) -> None:
    manifest_hash = announce(chain, contract)
    reason = reverts(contract, "commit", manifest_hash, new_hash(), tickets, wanted, sender=chain.operator)
    assert "impossible number of picks" in reason


def test_an_empty_root_is_not_committed(chain: Chain, contract: str) -> None:
    manifest_hash = announce(chain, contract)
    assert "no root" in reverts(contract, "commit", manifest_hash, bytes(32), 5, 1, sender=chain.operator)


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
    node = Web3(Web3.HTTPProvider(rpc_url()))
    factory = node.eth.contract(abi=artefact()["abi"], bytecode=artefact()["bytecode"])
    constructor = factory.constructor(key, 1_700_000_000, 3, bytes(32), round_number, signature, 1)
    with pytest.raises(Exception, match=r"self-test failed|key is infinity"):
        constructor.estimate_gas({"from": chain.operator})


def test_the_operator_s_role_is_handed_over_in_two_steps(dev: DevBeacon) -> None:
    former, successor, stranger = funded_chain(), funded_chain(), funded_chain()
    contract = deployed(former, dev)
    assert "not the operator" in reverts(contract, "propose_operator", stranger.operator, sender=stranger.operator)
    transact(former, contract, "propose_operator", successor.operator)
    assert raw_call(contract, "operator") == former.operator
    assert "not proposed" in reverts(contract, "accept_operator", sender=stranger.operator)
    transact(successor, contract, "accept_operator")
    assert raw_call(contract, "operator") == successor.operator
    assert "not proposed" in reverts(contract, "accept_operator", sender=successor.operator)
    announce(successor, contract)
    assert "not the operator" in reverts(contract, "announce", new_hash(), 2, 30, sender=former.operator)


def transact(chain: Chain, contract: str, function: str, *arguments: object) -> None:
    assert send(
        chain, chain.sign(chain._prepare_call(contract, function, list(arguments)), chain.next_nonce())
    ).succeeded


def test_gas_stays_within_its_bounds(chain: Chain, contract: str, dev: DevBeacon) -> None:
    announced = new_hash()
    sequence = raw_call(contract, "next_sequence")
    call = chain.sign(
        chain.prepare_announce(contract, announced, sequence=sequence, delay_seconds=30), chain.next_nonce()
    )
    gas = {"announce": send(chain, call).gas_used}
    terms = {"root": new_hash(), "tickets": 1_000_000}
    call = chain.sign(chain.prepare_commit(contract, announced, **terms, wanted=3), chain.next_nonce())
    gas["commit"] = send(chain, call).gas_used
    for wanted in (1, 3, 10, 100):
        manifest_hash = commit(chain, contract, 1_000_000, wanted)
        signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
        call = chain.sign(chain.prepare_settle(contract, manifest_hash, signature=signature), chain.next_nonce())
        gas[f"settle {wanted}"] = send(chain, call).gas_used
    bounds = {"announce": 56_000, "commit": 80_000, "settle 1": 163_000, "settle 3": 166_000}
    bounds |= {"settle 10": 176_000, "settle 100": 620_000}
    assert {step: used for step, used in gas.items() if used > bounds[step]} == {}
