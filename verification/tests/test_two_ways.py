"""Two implementations that share no line, the product's and the stand-alone verifier's, agree to the byte."""

import ast
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from verification import beacon, log, manifest, merkle, picks, receipts, verifier
from verification.beacon import QUICKNET

from .verifier_draws import DEVELOPMENT_BEACON as DEVELOPMENT
from .verifier_draws import FACTS, RECEIPT_KEY, canonical, development_signature, manifest_of, public_bytes

VECTORS, ROUNDS = FACTS["draws"], FACTS["rounds"]
KEY = public_bytes(RECEIPT_KEY)
HASH = st.binary(min_size=32, max_size=32)
NUMBER = st.integers(0, 2**53 - 1)
few = settings(max_examples=40)

pytestmark = pytest.mark.usefixtures("least_delays")


# 4. Entries tree


@st.composite
def drawn_entries(draw: st.DrawFn) -> list[merkle.Entry]:
    sizes = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2**20)), min_size=1, max_size=70))
    ids = draw(st.lists(st.uuids(), min_size=len(sizes), max_size=len(sizes), unique=True))
    holders = draw(st.lists(HASH, min_size=len(sizes), max_size=len(sizes), unique=True))
    entries, ticket = [], 1
    for entry_id, holder, (gap, count) in zip(ids, holders, sizes, strict=True):
        entries.append(merkle.Entry(entry_id, ticket + gap, count, holder))
        ticket += gap + count
    return entries


def entries_by_the_verifier(entries: Sequence[merkle.Entry]) -> verifier.Entries:
    lines = [f"{entry_id},{first},{count},{holder.hex()}\n" for entry_id, first, count, holder in entries]
    file = io.BytesIO(("entry_id,first_ticket,count,holder\n" + "".join(lines)).encode())
    return verifier.read_entries(file, len(entries))[0]


def told(entry: merkle.Entry, path: Sequence[merkle.Step]) -> dict[str, Any]:
    """A pick's own numbers, as a bundle has them."""
    steps = [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in path]
    return {**entry._asdict(), "entry_id": str(entry.entry_id), "holder": entry.holder.hex(), "path": steps}


def agree_on_the_tree(entries: Sequence[merkle.Entry], indices: Sequence[int]) -> merkle.Tree:
    """Root and sum; and where these indices lie, whose paths both follow to the same place."""
    ours, theirs = merkle.Tree(entry.record for entry in entries), entries_by_the_verifier(entries)
    assert theirs.root == ours.tickets.to_bytes(8) + ours.root
    assert (theirs.tickets, len(theirs), theirs.faults) == (ours.tickets, ours.count, [])
    for index in indices:
        position = ours.locate(index)
        entry, before, path = ours.entry(position), ours.tickets_before(position), ours.path(position)
        assert theirs.holding(index) == position
        assert theirs.before[position] == before
        assert theirs.entry(position) == (entry.entry_id.bytes, *entry[1:])
        assert verifier.climb(told(entry, path)) == (theirs.root, before)
        assert merkle.check_path(entry, path, ours.root, ours.tickets) == before
    return ours


@few
@given(drawn_entries(), st.data())
def test_both_refuse_an_altered_path(entries: list[merkle.Entry], data: st.DataObject) -> None:
    tree = merkle.Tree(entry.record for entry in entries)
    position = data.draw(st.integers(0, tree.count - 1))
    entry, path = tree.entry(position), tree.path(position)
    changes = ["holder", "count", "first_ticket", "longer", *(["side", "sum", "hash", "shorter"] if path else [])]
    place = data.draw(st.integers(0, len(path) - 1)) if path else 0
    match data.draw(st.sampled_from(changes)):
        case "holder":
            entry = entry._replace(holder=bytes(31) + bytes([entry.holder[31] ^ 1]))
        case "count":
            entry = entry._replace(count=entry.count + 1)
        case "first_ticket":
            entry = entry._replace(first_ticket=entry.first_ticket + 1)
        case "longer":
            path = [*path, merkle.Step("left", 1, bytes(32))]
        case "side":
            path[place] = path[place]._replace(side="left" if path[place].side == "right" else "right")
        case "sum":
            path[place] = path[place]._replace(sum=path[place].sum + 1)
        case "hash":
            path[place] = path[place]._replace(hash=bytes(32))
        case "shorter":
            del path[place]
    with pytest.raises(merkle.PathError):
        merkle.check_path(entry, path, tree.root, tree.tickets)
    assert verifier.climb(told(entry, path))[0] != tree.tickets.to_bytes(8) + tree.root


def test_both_refuse_a_path_whose_sums_leave_their_range() -> None:
    entry = merkle.Entry(UUID(int=1), 1, 1, bytes(32))
    path = [merkle.Step("left", 2**53 - 1, bytes(32))]
    with pytest.raises(merkle.PathError, match="malformed"):
        merkle.check_path(entry, path, bytes(32), 2**53)
    with pytest.raises(verifier.Flaw, match="above 2\\^53 - 1"):
        verifier.climb(told(entry, path))


# 3. Log


LEAVES = st.lists(
    st.builds(log.Leaf, st.integers(1, 4), st.uuids(), NUMBER, NUMBER, HASH, NUMBER), min_size=1, max_size=40
)


def log_by_the_verifier(leaves: Sequence[log.Leaf], size: int) -> verifier.Log:
    file = io.BytesIO((log.HEADER + "".join(leaf.line for leaf in leaves)).encode())
    return verifier.read_log(file, size, len(leaves) - size)[0]


def agree_on_the_log(leaves: Sequence[log.Leaf]) -> None:
    """Every leaf, the root at every size, and the proof of every leaf under the last of them."""
    theirs, hashes = log_by_the_verifier(leaves, len(leaves)), [leaf.hash for leaf in leaves]
    assert theirs.records == b"".join(leaf.data for leaf in leaves)
    assert theirs.hashes == b"".join(hashes)
    for size in range(len(leaves) + 1):
        assert theirs.root(size) == log.root(hashes[:size])
    root = log.root(hashes)
    for index, digest in enumerate(hashes):
        proof = log.path(hashes, index)
        log.check_inclusion(digest, index, len(hashes), proof, root)
        assert verifier.included(digest, index, len(hashes), proof) == root


@few
@given(LEAVES)
def test_both_read_any_log_alike(leaves: list[log.Leaf]) -> None:
    agree_on_the_log(leaves)


def test_both_have_the_same_root_across_the_products_blocks() -> None:
    leaves = [log.Leaf(1, UUID(int=n), n, 1, n.to_bytes(32), n) for n in range(1, 2 * log.BLOCK + 4)]
    theirs, hashes = log_by_the_verifier(leaves, len(leaves)), [leaf.hash for leaf in leaves]
    blocks = [log.root(hashes[start : start + log.BLOCK]) for start in (0, log.BLOCK)]
    for size in (log.BLOCK, log.BLOCK + 1, 2 * log.BLOCK - 1, 2 * log.BLOCK, len(leaves)):
        whole = size // log.BLOCK
        rest = hashes[whole * log.BLOCK : size]
        assert theirs.root(size) == log.root_of_blocks(blocks[:whole], rest)
    index, own = log.BLOCK + 7, hashes[log.BLOCK : 2 * log.BLOCK]
    proof = log.path_of_blocks(blocks, hashes[2 * log.BLOCK :], own, index)
    assert verifier.included(hashes[index], index, len(leaves), proof) == theirs.root(len(leaves))


@given(LEAVES, st.data())
def test_both_judge_any_inclusion_proof_alike(leaves: list[log.Leaf], data: st.DataObject) -> None:
    """Proofs of any index and size, with hashes taken away, added or changed."""
    hashes = [leaf.hash for leaf in leaves]
    index = data.draw(st.integers(0, len(hashes) - 1))
    proof = log.path(hashes, index)
    if data.draw(st.booleans()):
        proof = data.draw(st.permutations(proof)) + data.draw(st.lists(st.sampled_from(hashes), max_size=2))
        proof = proof[data.draw(st.integers(0, 1)) :]
    size = data.draw(st.just(len(hashes)) | st.integers(0, len(hashes) + 2))
    claimed = data.draw(st.just(index) | st.integers(0, len(hashes) + 2))
    root = log.root(hashes)
    try:
        log.check_inclusion(hashes[index], claimed, size, proof, root)
        accepted = True
    except log.ProofError:
        accepted = False
    try:
        assert (verifier.included(hashes[index], claimed, size, proof) == root) is accepted
    except verifier.Flaw:
        assert not accepted


# 4 to 6. Commitment, round, seed and picks


def agree_on_the_draw(entries: Sequence[merkle.Entry], committed: dict[str, Any], promise: str, wanted: int) -> None:
    """From any manifest's text, log root and size, round and signature: commitment, seed and picks."""
    theirs, tree = entries_by_the_verifier(entries), merkle.Tree(entry.record for entry in entries)
    number, signature = committed.pop("round"), committed.pop("signature")
    ours = picks.commitment(root=tree.root, tickets=tree.tickets, **committed)
    bundle = {
        "manifest": promise,
        "log": {"size": committed["log_size"], "root": committed["log_root"].hex()},
        "beacon": {"round": number, "signature": signature.hex()},
    }
    assert verifier.commitment_of(bundle, theirs, None) == ours
    seed = picks.seed(
        chain_hash=QUICKNET.chain_hash,
        round=number,
        randomness=beacon.randomness(signature),
        manifest_hash=manifest.manifest_hash(promise.encode()),
        commitment=ours,
        tickets=tree.tickets,
    )
    assert verifier.draw_seed(bundle, ours, theirs.tickets) == seed
    indices = picks.pick_indices(seed, tree.tickets, wanted)
    assert verifier.picked_indices(seed, theirs.tickets, wanted) == indices
    agree_on_the_tree(entries, indices)


@few
@given(
    drawn_entries(),
    st.fixed_dictionaries(
        {
            "log_root": HASH,
            "log_size": NUMBER,
            "round": st.integers(1, 2**53 - 1),
            "signature": st.binary(min_size=48, max_size=48),
        }
    ),
    st.text(max_size=50),
    st.integers(1, 100),
)
def test_both_agree_on_any_draw(
    entries: list[merkle.Entry], committed: dict[str, Any], title: str, wanted: int
) -> None:
    promise = manifest.canonical({"beacon": QUICKNET.as_manifest(), "title": title}).decode()
    agree_on_the_draw(entries, committed, promise, wanted)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector['entries'])} entries")
def test_both_give_what_was_worked_out(vector: dict[str, Any]) -> None:
    entries = [merkle.Entry(UUID(entry[0]), *entry[1:3], bytes.fromhex(entry[3])) for entry in vector["entries"]]
    leaves = [log.Leaf(kind, UUID(own), a, b, bytes.fromhex(x), at) for kind, own, a, b, x, at in vector["log"]]
    hashes, size = [leaf.hash for leaf in leaves], vector["log_size"]
    theirs, log_read = entries_by_the_verifier(entries), log_by_the_verifier(leaves, size)
    tree = agree_on_the_tree(entries, vector["picks"])
    agree_on_the_log(leaves)
    assert {tree.root.hex(), theirs.root[8:].hex()} == {vector["root"]}
    assert {log.root(hashes[:size]).hex(), log_read.root(size).hex()} == {vector["log_root"]}
    assert verifier.check_entries_follow(log_read, theirs)
    ours = picks.commitment(root=tree.root, tickets=tree.tickets, log_root=log.root(hashes[:size]), log_size=size)
    told_log = {"log": {"size": size, "root": vector["log_root"]}}
    assert {ours, verifier.commitment_of(told_log, theirs, log_read)} == {bytes.fromhex(vector["commitment"])}
    facts = {name: bytes.fromhex(vector[name]) for name in ("chain_hash", "randomness", "manifest_hash", "commitment")}
    seed = picks.seed(**facts, round=vector["round"], tickets=vector["tickets"])
    assert seed.hex() == vector["seed"]
    for pick in (picks.pick_indices, verifier.picked_indices):
        assert pick(seed, vector["tickets"], vector["wanted"]) == vector["picks"]
    position, path = vector["path_of"]["position"], vector["path_of"]["path"]
    assert [{"side": s.side, "sum": s.sum, "hash": s.hash.hex()} for s in tree.path(position)] == path
    of = vector["inclusion_of"]
    proof = [bytes.fromhex(digest) for digest in of["proof"]]
    assert log.path(hashes[:size], of["index"]) == proof
    assert verifier.included(bytes.fromhex(of["leaf"]), of["index"], size, proof).hex() == vector["log_root"]


@given(st.integers(0, 2**40), st.integers(0, 31_536_000), st.integers(1, 10_000), st.integers(1, 2**40))
def test_both_choose_the_same_round(committed_at: int, delay: int, period: int, genesis: int) -> None:
    chain = beacon.Beacon(QUICKNET.chain_hash, QUICKNET.public_key, genesis, period)
    promise = {"beacon": chain.as_manifest(), "delay_seconds": delay}
    number = chain.first_round_at(committed_at + delay)
    assert verifier.due_round(promise, committed_at) == number
    assert verifier.round_time(promise["beacon"], number) == chain.time_of(number) >= committed_at + delay
    for change in (-1, 0, 1):
        bundle = {"place": {"committed_at": committed_at}, "beacon": {"round": number + change}}
        if change:
            with pytest.raises(verifier.Flaw):
                verifier.check_round(bundle, promise)
        else:
            verifier.check_round(bundle, promise)


SIGNATURES = [(QUICKNET.as_manifest(), real["round"], bytes.fromhex(real["signature"])) for real in ROUNDS]
SIGNATURES.append((DEVELOPMENT, 7, development_signature(7)))


@pytest.mark.parametrize("chain", SIGNATURES, ids=lambda chain: str(chain[1]))
@pytest.mark.parametrize("change", ["none", "round", "a bit", "the sign", "infinity", "not compressed", "short"])
def test_both_judge_a_beacons_signature_alike(chain: tuple[dict[str, Any], int, bytes], change: str) -> None:
    told_beacon, number, signature = chain
    match change:
        case "round":
            number += 1
        case "a bit":
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        case "the sign":
            signature = bytes([signature[0] ^ 0x20]) + signature[1:]
        case "infinity":
            signature = b"\xc0" + bytes(47)
        case "not compressed":
            signature = bytes([signature[0] & 0x7F]) + signature[1:]
        case "short":
            signature = bytes(48)
    facts = {name: bytes.fromhex(told_beacon[name]) for name in ("chain_hash", "public_key")}
    ours = beacon.Beacon(**facts, genesis_time=told_beacon["genesis_time"], period=told_beacon["period"])
    bundle = {"beacon": {"round": number, "signature": signature.hex()}}
    try:
        accepted = bool(verifier.check_signature(bundle, {"beacon": told_beacon}))
    except verifier.Flaw:
        accepted = False
    assert accepted is ours.verify(number, signature) is (change == "none")


# 3. Receipts and heads


@few
@given(st.uuids(), HASH, LEAVES, st.none() | HASH, HASH, st.data())
def test_a_receipt_that_the_product_signs_holds_and_no_altered_one(
    raffle: UUID, promise: bytes, leaves: list[log.Leaf], nonce: bytes | None, secret: bytes, data: st.DataObject
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = public_bytes(key)
    leaf = leaves[0]._replace(kind=log.Kind.ENTERED, a=leaves[0].a or 1, b=leaves[0].b or 1)
    receipt = receipts.receipt(key, raffle=raffle, manifest_hash=promise, leaf=leaf, nonce=nonce)
    bundle = {"manifest_hash": promise.hex(), "raffle": str(raffle)}
    receipts.check_receipt(receipt, public)
    assert verifier.has_order_l(public)
    assert verifier.read_receipt(json.dumps(receipt).encode(), bundle, public) == receipt
    assert verifier.receipt_leaf(receipt) == leaf.hash == receipts.leaf_of(receipt).hash
    name = data.draw(st.sampled_from(["raffle", "entry_id", "first_ticket", "count", "holder", "at", "signature"]))
    value = receipt[name]
    altered = value % (2**53 - 1) + 1 if isinstance(value, int) else ("1" if value[0] == "0" else "0") + value[1:]
    with pytest.raises(receipts.SignatureError):
        receipts.check_receipt(receipt | {name: altered}, public)
    with pytest.raises(verifier.Unreadable, match="not a receipt: its signature"):
        verifier.read_receipt(json.dumps(receipt | {name: altered}).encode(), bundle, public)


@few
@given(HASH, NUMBER, HASH, NUMBER, st.data())
def test_a_head_that_the_product_signs_holds_and_no_altered_one(
    promise: bytes, size: int, root: bytes, at: int, data: st.DataObject
) -> None:
    facts: dict[str, Any] = {"manifest_hash": promise, "size": size, "root": root, "at": at}
    signature = receipts.sign_head(RECEIPT_KEY, **facts)

    def both_accept(facts: dict[str, Any], signature: bytes) -> bool:
        head = {"size": facts["size"], "root": facts["root"].hex(), "at": facts["at"], "signature": signature.hex()}
        bundle = {"manifest_hash": facts["manifest_hash"].hex()}
        try:
            theirs = bool(verifier.read_head(json.dumps(head).encode(), bundle, KEY))
        except verifier.Unreadable:
            theirs = False
        try:
            receipts.check_head(KEY, signature, **facts)
        except receipts.SignatureError:
            assert not theirs
            return False
        assert theirs
        return True

    assert both_accept(facts, signature)
    name = data.draw(st.sampled_from(list(facts)))
    value = facts[name]
    altered = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    assert not both_accept(facts | {name: altered}, signature)
    byte = data.draw(st.integers(0, 63))
    assert not both_accept(facts, signature[:byte] + bytes([signature[byte] ^ 1]) + signature[byte + 1 :])


# 1. Manifest


VALUES = st.recursive(
    st.none() | st.text(max_size=20) | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6))
def test_both_write_the_same_canonical_form(value: dict[str, Any]) -> None:
    assert verifier.canonical(value).encode() == manifest.canonical(value)


def by_the_product(text: str) -> bool:
    try:
        manifest.parse(text)
    except manifest.ManifestError:
        return False
    return True


def by_the_verifier(text: str) -> bool:
    """What its checks of section 1, and of the receipt key's form, say of the text."""
    bundle = {"manifest": text}
    try:
        promise, _ = verifier.read_manifest(bundle)
        verifier.check_canonical(bundle, promise)
    except verifier.Flaw:
        return False
    return not list(verifier.broken_promises(promise))


DAY, WEEK, YEAR = 86_400, 604_800, 31_536_000
PRIZES = [{"position": n, "name": f"No. {n}", "value": None, "cash_alternative": None} for n in range(1, 102)]
OPENS, CLOSES = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
FREE = {"instructions": "Write.", "until": CLOSES}
PUBLIC_CHAIN = {"chain_id": 1, "contract": "0x" + "ab" * 20}
DEVELOPMENT_CHAIN = PUBLIC_CHAIN | {"chain_id": 31337}
WRONG_TIMES = [
    *("2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-02-29T00:00:00Z"),
    *("2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    *("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00.0Z"),
    *("٢026-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", "2026-1-1T00:00:00Z", 1_767_225_600),
]
# Members that keep every rule, at its very edge, and members that break just one.
KEPT: list[dict[str, Any]] = [
    {},
    *({"anchor": anchor} for anchor in (PUBLIC_CHAIN, DEVELOPMENT_CHAIN)),
    *({"prizes": PRIZES[:98], "alternates": 2}, {"prizes": PRIZES[:100], "alternates": 0}),
    *({"capacity": 2, "max_per_person": 2, "min_tickets": 2}, {"capacity": 2**53 - 1}, {"min_tickets": 0}),
    *({"max_per_person": 1}, {"max_per_person": 100}, {"min_tickets": 100}, {"free_route": None}, {"free_route": FREE}),
    {"free_route": FREE | {"until": "2026-01-01T00:00:01Z"}},
    {"opens_at": "1970-01-01T00:00:00Z", "closes_at": "9999-12-31T23:59:59Z", "free_route": None},
    {"opens_at": "2024-02-29T23:59:59Z"},
    *({"claim_seconds": span} for span in (DAY, YEAR)),
    *({"delay_seconds": span} for span in (600, YEAR)),
    *({"void_after_seconds": span} for span in (WEEK, YEAR)),
    {"commit_within_seconds": YEAR},
    {"anchor": DEVELOPMENT_CHAIN, "delay_seconds": 3, "void_after_seconds": 1},
    *({"title": text} for text in ("e\u0301", "\u00e9", "x\u2028", "\ufeff", '"\\\b\f\n\r\t\x1f\x7f/', "\U0001f600")),
    {"conditions": ""},
]
BROKEN: list[dict[str, Any]] = [
    {"protocol": "luxewin/draw/v1"},
    *({name: ...} for name in manifest_of()),
    {"note": ""},
    *({"closes_at": moment, "free_route": None} for moment in (OPENS, "2025-12-31T23:59:59Z")),
    *({"opens_at": moment} for moment in WRONG_TIMES),
    *({"closes_at": moment, "free_route": None} for moment in WRONG_TIMES),
    *({"free_route": FREE | {"until": moment}} for moment in [*WRONG_TIMES, OPENS, "2026-02-01T00:00:01Z"]),
    *({"free_route": wrong} for wrong in ({}, [], "", 0, {"until": CLOSES}, FREE | {"note": ""})),
    *({"prizes": wrong} for wrong in ([], None, {}, [None], PRIZES[1:2], [PRIZES[0], PRIZES[2]], PRIZES[1::-1])),
    *({"prizes": [PRIZES[0] | wrong]} for wrong in ({"position": 0}, {"name": 1}, {"value": "1"}, {"note": 1})),
    *({"prizes": [PRIZES[0] | {"cash_alternative": wrong}]} for wrong in (-1, 2**53, 0.5, True, "")),
    *({"prizes": PRIZES[:99], "alternates": 2}, {"prizes": PRIZES[:101], "alternates": 0, "capacity": 200}),
    {"prizes": PRIZES[:11], "capacity": 10, "max_per_person": 10, "min_tickets": 1},
    *({"capacity": wrong} for wrong in (0, -1, 2**53, 100.0, "100", None, True)),
    *({"min_tickets": wrong} for wrong in (101, -1, None)),
    *({"max_per_person": wrong} for wrong in (0, 101, -1, None)),
    *({"claim_seconds": wrong} for wrong in (DAY - 1, YEAR + 1, 0, -1, None)),
    *({"delay_seconds": wrong} for wrong in (599, YEAR + 1, 0)),
    *({"void_after_seconds": wrong} for wrong in (WEEK - 1, YEAR + 1, 0)),
    *({"commit_within_seconds": wrong} for wrong in (YEAR + 1, -1, None)),
    *({"anchor": PUBLIC_CHAIN, name: 599} for name in ("delay_seconds", "void_after_seconds")),
    {"anchor": DEVELOPMENT_CHAIN, "delay_seconds": YEAR + 1},
    *({"anchor": PUBLIC_CHAIN | wrong} for wrong in ({"chain_id": 0}, {"chain_id": "1"}, {"note": 1})),
    *(
        {"anchor": PUBLIC_CHAIN | {"contract": wrong}}
        for wrong in ("ab" * 20, "0x" + "AB" * 20, "0x" + "ab" * 19, None)
    ),
    *({"currency": wrong} for wrong in ("EUR", "eu", "euro", "eu1", "", None, "eür", "eur\n")),
    *({"raffle": wrong} for wrong in ("5B1CBD5C-6D0E-4BB5-9F0D-1F6F4A0F7A11", "5b1cbd5c6d0e4bb59f0d1f6f4a0f7a11", "")),
    *({"receipt_key": wrong} for wrong in ("ab" * 31, "AB" * 32, "ab" * 33, "", None, "0x" + "ab" * 31)),
    *({"beacon": DEVELOPMENT | {name: wrong}} for name in ("chain_hash", "public_key") for wrong in ("ab", "", None)),
    *({"beacon": DEVELOPMENT | {"period": wrong}} for wrong in (0, -1, "3", None)),
    *({"beacon": wrong} for wrong in ({"note": 1}, DEVELOPMENT | {"note": 1})),
    *({name: wrong} for name in ("sequence", "alternates", "ticket_price") for wrong in (-1, 2**53, 1.0, True, "1")),
    *({name: wrong} for name in ("operator", "title", "conditions") for wrong in (None, 1, [])),
]


@pytest.mark.parametrize("changed", KEPT, ids=lambda changed: str(changed)[:60])
def test_both_take_a_manifest_that_keeps_every_rule(changed: dict[str, Any]) -> None:
    text = canonical(manifest_of(**changed))
    assert (by_the_product(text), by_the_verifier(text)) == (True, True)


@pytest.mark.parametrize("changed", BROKEN, ids=lambda changed: str(changed)[:60])
def test_both_refuse_a_manifest_that_breaks_a_rule(changed: dict[str, Any]) -> None:
    text = canonical(manifest_of(**changed))
    assert (by_the_product(text), by_the_verifier(text)) == (False, False)


def other_forms(text: str) -> list[str]:
    """The same manifest in forms that are not the canonical one, or that are no manifest."""
    told = json.loads(text)
    return [
        text + "\n",
        " " + text,
        "\ufeff" + text,
        json.dumps(told, sort_keys=True),
        json.dumps(told, sort_keys=True, separators=(",", ":")),  # escaped beyond ASCII
        json.dumps(dict(reversed(list(told.items()))), separators=(",", ":"), ensure_ascii=False),
        text.replace("/", "\\/", 1),
        text.replace('"alternates":2', '"alternates":2.0'),
        text.replace('"alternates":2', '"alternates":2e0'),
        text.replace('"alternates":2', '"alternates":2,"alternates":2'),
        text.replace('"sequence":7', '"sequence":-0'),
        text.replace("LuxeWin Ltd", "\\ud800"),
        text.replace("LuxeWin Ltd", "\\u004cuxeWin Ltd"),
        text[:-1],
        "[" + text + "]",
        "[" * 100_000,
        "",
        "null",
        '"' + "0" * 10,
        "{}",
    ]


def test_both_refuse_every_other_form_of_a_manifest() -> None:
    text = canonical(manifest_of())
    assert by_the_product(text)
    for other in other_forms(text):
        assert other != text
        assert (by_the_product(other), by_the_verifier(other)) == (False, False), other[:80]


# Nothing that a manifest could promise, and that the product is right not to: the verifier judges by the rules alone.
STRICTER: list[dict[str, Any]] = [
    *({name: blank} for name in ("operator", "title") for blank in ("", "  ", "\u2028")),
    {"prizes": [PRIZES[0] | {"name": ""}]},
    {"free_route": FREE | {"instructions": ""}},
    {"sequence": 0},
    {"commit_within_seconds": 0},
    {"anchor": DEVELOPMENT_CHAIN, "delay_seconds": 0},
    {"anchor": DEVELOPMENT_CHAIN, "void_after_seconds": 0},
    {"anchor": DEVELOPMENT_CHAIN, "delay_seconds": 2},  # less than the beacon's period
    {"beacon": DEVELOPMENT | {"genesis_time": 0}},
    {"beacon": DEVELOPMENT | {"scheme": ""}},
]


@pytest.mark.parametrize("changed", STRICTER, ids=lambda changed: str(changed)[:60])
def test_the_product_promises_less_than_the_protocol_allows(changed: dict[str, Any]) -> None:
    text = canonical(manifest_of(**changed))
    assert (by_the_product(text), by_the_verifier(text)) == (False, True)


@settings(max_examples=200)
@given(st.data())
def test_the_verifier_takes_whatever_manifest_the_product_takes(data: st.DataObject) -> None:
    edges = [0, 1, 2, 10, 99, 100, 101, 599, 600, DAY - 1, DAY, WEEK - 1, WEEK, YEAR, YEAR + 1, 2**53 - 1, 2**53]
    values = st.sampled_from([*edges, None, "", OPENS, CLOSES, FREE, PUBLIC_CHAIN, DEVELOPMENT_CHAIN, PRIZES[:3]])
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(manifest_of())), values, min_size=1, max_size=4))
    text = canonical(manifest_of(**changed))
    if by_the_product(text):
        assert by_the_verifier(text)


# Independence


def test_neither_imports_the_other() -> None:
    for module in (beacon, log, manifest, merkle, picks, receipts):
        assert "verifier" not in Path(module.__file__ or "").read_text()
    tree = ast.parse(Path(verifier.__file__).read_text())
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in named if not name or name.startswith(("verification", "django", "luxewin"))]
