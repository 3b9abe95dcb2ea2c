"""The verifier's own BLS12-381 against published vectors, real rounds and the wheel."""

import pytest
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from verification import verifier

from .verifier_draws import DEVELOPMENT_BEACON, FACTS, QUICKNET, development_signature

# RFC 9380, appendix J.9.1: message and P.x
RFC9380_DST = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC9380 = [
    (b"", "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"),
    (b"abc", "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903"),
]


def check(round_number: int, signature: str, beacon: dict = QUICKNET) -> str:
    """The verifier's judgement of a signature."""
    return verifier.check_signature({"beacon": {"round": round_number, "signature": signature}}, {"beacon": beacon})


@pytest.mark.parametrize("real", FACTS["rounds"], ids=lambda real: str(real["round"]))
def test_a_real_quicknet_round_passes(real: dict) -> None:
    assert "is by the manifest's key" in check(real["round"], real["signature"])
    verifier.check_randomness({"beacon": real})


def test_a_signature_of_another_round_fails() -> None:
    with pytest.raises(verifier.Flaw, match="not the public key's signature of round 43"):
        check(43, FACTS["rounds"][0]["signature"])


def test_a_signature_by_another_key_fails() -> None:
    signature = development_signature(42).hex()
    check(42, signature, DEVELOPMENT_BEACON)
    with pytest.raises(verifier.Flaw, match="not the public key's signature"):
        check(42, signature, QUICKNET)


def test_the_negative_signature_fails() -> None:
    signature = bytearray.fromhex(FACTS["rounds"][0]["signature"])
    signature[0] ^= 0x20
    with pytest.raises(verifier.Flaw, match="not the public key's signature"):
        check(42, signature.hex())


def outside_the_group(size: int) -> str:
    """A point of the curve that is not of prime order."""
    unchecked = G1Point.from_compressed_bytes_unchecked if size == 48 else G2Point.from_compressed_bytes_unchecked
    for low in range(1, 100):
        data = b"\x80" + bytes(size - 2) + bytes([low])
        try:
            point = unchecked(data)
        except ValueError:
            continue
        if not point.is_in_subgroup():
            return data.hex()
    raise AssertionError("no such point below 100")


NOT_POINTS = {
    "infinity": ("c0", "point at infinity"),
    "uncompressed flag": ("00", "not the compressed form"),
    "beyond the prime": ("9f" + 47 * "ff", "not below the field's prime"),
}


@pytest.mark.parametrize("name", NOT_POINTS)
@pytest.mark.parametrize(("member", "size"), [("signature", 48), ("public_key", 96)])
def test_bytes_that_are_no_point_fail(name: str, member: str, size: int) -> None:
    start, words = NOT_POINTS[name]
    facts = {"signature": FACTS["rounds"][0]["signature"], "public_key": QUICKNET["public_key"]}
    facts[member] = start.ljust(2 * size, "0")
    with pytest.raises(verifier.Flaw, match=rf"beacon\.{member}: .*{words}"):
        check(42, facts["signature"], QUICKNET | {"public_key": facts["public_key"]})


@pytest.mark.parametrize(("member", "size"), [("signature", 48), ("public_key", 96)])
def test_a_point_outside_the_prime_order_group_fails(member: str, size: int) -> None:
    facts = {"signature": FACTS["rounds"][0]["signature"], "public_key": QUICKNET["public_key"]}
    facts[member] = outside_the_group(size)
    with pytest.raises(verifier.Flaw, match=f"beacon.{member}: not a point of the group of prime order"):
        check(42, facts["signature"], QUICKNET | {"public_key": facts["public_key"]})


@pytest.mark.parametrize(("message", "x"), RFC9380)
def test_hashing_to_the_curve_gives_the_points_of_rfc_9380(message: bytes, x: str) -> None:
    point = verifier.hash_to_g1(message, RFC9380_DST)
    assert point[0] == (int(x, 16), 0)


@pytest.mark.parametrize("scalar", [1, 2, 3, 0xDEADBEEF, 2**254 + 9])
def test_decompression_and_multiplication_agree_with_the_wheel(scalar: int) -> None:
    g1 = verifier.decompress(bytes(G1Point().to_compressed_bytes()))
    g1_there, g2_there = G1Point() * Scalar(scalar), G2Point() * Scalar(scalar)
    assert verifier.decompress(bytes(g1_there.to_compressed_bytes())) == verifier.times(g1, scalar)
    assert verifier.decompress(bytes(g2_there.to_compressed_bytes())) == verifier.times(verifier.G2, scalar)


def test_the_pairing_is_bilinear_and_not_degenerate() -> None:
    g1 = verifier.decompress(bytes(G1Point().to_compressed_bytes()))
    twice, g2 = verifier.times(verifier.G2, 2), verifier.negative(verifier.G2)
    assert verifier.pairings_cancel([(verifier.times(g1, 2), g2), (g1, twice)])
    assert not verifier.pairings_cancel([(verifier.times(g1, 3), g2), (g1, twice)])
    assert not verifier.pairings_cancel([(g1, g2)])
