"""Points of BLS12-381 as the contract takes them: EIP-2537, a coordinate of 64 bytes being two words. Pure."""

from collections.abc import Iterator

from py_arkworks_bls12381 import G1Point, G2Point

_COORDINATE, _PAD = 48, 16


def encode_signature(compressed: bytes) -> list[int]:
    """The four words of a point in G1. Raises ValueError on bytes that are no compressed point of the subgroup."""
    return list(_words(G1Point.from_compressed_bytes(compressed).to_xy_bytes_be()))


def encode_public_key(compressed: bytes) -> list[int]:
    """The eight words of a point in G2. Raises ValueError on bytes that are no compressed point of the subgroup."""
    return list(_words(G2Point.from_compressed_bytes(compressed).to_xy_bytes_be()))


def _words(coordinates: bytes) -> Iterator[int]:
    for start in range(0, len(coordinates), _COORDINATE):
        padded = bytes(_PAD) + coordinates[start : start + _COORDINATE]
        yield int.from_bytes(padded[:32])
        yield int.from_bytes(padded[32:])
