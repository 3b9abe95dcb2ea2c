"""The page's arithmetic against worked examples and against other implementations of SHA-256 and Ed25519."""

import hashlib
from typing import Any

from .page_node import CHECK_VECTORS, run
from .verifier_draws import FACTS, OTHER_KEY, RECEIPT_KEY, Leaf, inclusion, log_of, log_root, public_bytes, sha

ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = (1).to_bytes(32, "little")


def test_every_worked_example_comes_out_the_same() -> None:
    """Leaves, both trees, commitment, seed, picks, a path and an inclusion proof."""
    for found, vector in zip(run(CHECK_VECTORS, {"draws": FACTS["draws"]})["draws"], FACTS["draws"], strict=True):
        for name in ("log_root", "root", "tickets", "commitment", "seed", "picks"):
            assert found[name] == vector[name], name
        assert found["path"] == {"root": vector["root"], "tickets": vector["tickets"], "isBefore": True}
        assert found["inclusion"] == vector["log_root"]


def test_sha256_is_right_for_every_length() -> None:
    messages = [bytes((7 * n + length) % 256 for n in range(length)) for length in range(200)]
    found = run(CHECK_VECTORS, {"messages": [message.hex() for message in messages]})["hashes"]
    assert found == [hashlib.sha256(message).hexdigest() for message in messages]


def leaves(count: int) -> list[Leaf]:
    return log_of([(f"00000000-0000-4000-8000-{n:012x}", 1) for n in range(count)], [])


def test_inclusion_proofs_hold_for_every_leaf_of_every_small_log() -> None:
    proofs, roots = [], []
    for size in range(1, 18):
        log = leaves(size)
        for index in range(size):
            proofs.append({"leaf": sha(b"\0", log[index].data).hex(), **inclusion(log, index)})
            roots.append(log_root(log).hex())
    assert run(CHECK_VECTORS, {"proofs": proofs})["proofs"] == roots


def test_inclusion_proofs_of_the_wrong_size_are_refused() -> None:
    log = leaves(7)
    proof = {"leaf": sha(b"\0", log[2].data).hex(), **inclusion(log, 2)}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"proof": proof["proof"][:-1]}, "a hash too few"),
        ({"proof": [*proof["proof"], "00" * 32]}, "a hash too many"),
        ({"index": 7}, "not among 7"),
        ({"index": 6}, "a hash too many"),  # the last leaf of 7 has one sibling less
        ({"size": 2}, "not among 2"),
        ({"size": 3}, "a hash too many"),
        ({"size": 9}, "a hash too few"),
        ({"size": 1, "index": 0}, "a hash too many"),
        ({"size": 1, "index": 0, "proof": []}, proof["leaf"]),
    ]
    found = run(CHECK_VECTORS, {"proofs": [proof | change for change, _ in wrong]})["proofs"]
    for said, (change, expected) in zip(found, wrong, strict=True):
        assert expected in said, change


def scalar_of(seed: bytes) -> int:
    """The secret scalar of an Ed25519 key."""
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return int.from_bytes(digest, "little")


def test_signatures_are_judged_by_the_strict_rules() -> None:
    key, message = public_bytes(RECEIPT_KEY), b"a message"
    good = RECEIPT_KEY.sign(message)
    nonce, s = good[:32], int.from_bytes(good[32:], "little")
    challenge = int.from_bytes(hashlib.sha512(IDENTITY + key + message).digest(), "little")
    of_identity = IDENTITY + (challenge * scalar_of(bytes(range(32))) % ORDER).to_bytes(32, "little")
    cases: list[tuple[bytes, bytes, bytes, bool | str]] = [
        (key, message, good, True),
        (key, b"another message", good, False),
        (public_bytes(OTHER_KEY), message, good, False),
        (key, message, nonce + (s + ORDER).to_bytes(32, "little"), False),  # S beyond L
        (key, message, of_identity, False),  # it satisfies the equation, with R the identity
        (key, message, bytes(64), False),
        (IDENTITY, message, good, "small or mixed order"),
        (bytes(32), message, good, "small or mixed order"),  # a point of order 4
        (bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), message, good, "small"),
        (b"\xff" * 32, message, good, "not a point"),
        (
            bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            message,
            good,
            "not a point",
        ),
        (
            bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000080"),
            message,
            good,
            "not a point",
        ),
        (mixed_order(key), message, good, "small or mixed order"),
    ]
    told = [{"key": k.hex(), "message": m.hex(), "signature": s.hex()} for k, m, s, _ in cases]
    for found, (_, _, _, expected) in zip(run(CHECK_VECTORS, {"signatures": told})["signatures"], cases, strict=True):
        assert found == expected if isinstance(expected, bool) else expected in found


def mixed_order(key: bytes) -> bytes:
    """The key's point plus the point of order 2, (0, -1): that is (-x, -y)."""
    prime = 2**255 - 19
    encoded = int.from_bytes(key, "little")
    sign, y = encoded >> 255, encoded & (2**255 - 1)
    return ((prime - y) | (1 - sign) << 255).to_bytes(32, "little")
