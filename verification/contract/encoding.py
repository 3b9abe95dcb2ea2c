"""Points of BLS12-381 as the contract takes them: EIP-2537, each coordinate of 64 bytes as two words."""

from collections.abc import Iterator, Sequence

from py_arkworks_bls12381 import G1Point, G2Point

_COORDINATE, _PAD = 48, 16
_P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB  # the field's
_COMPRESSED, _GREATER = 0x80, 0x20  # flags in the first byte: that the point is compressed, and which of the two it is


def encode_signature(compressed: bytes) -> list[int]:
    """Return the four words of a point in G1. Raises ValueError unless it is a compressed point of the subgroup."""
    return list(_words(G1Point.from_compressed_bytes(compressed).to_xy_bytes_be()))


def decode_signature(words: Sequence[int]) -> bytes:
    """Return the compressed point in G1 of these four words, without checking that it is on the curve.

    Raises ValueError on words that are no two coordinates.
    """
    x_high, x_low, y_high, y_low = words
    x, y = x_high << 256 | x_low, y_high << 256 | y_low
    if not (0 <= x < _P and 0 <= y < _P):
        raise ValueError("these words are no coordinates")
    compressed = bytearray(x.to_bytes(_COORDINATE))
    compressed[0] |= _COMPRESSED | (_GREATER if y > _P // 2 else 0)
    return bytes(compressed)


def encode_public_key(compressed: bytes) -> list[int]:
    """Return the eight words of a point in G2. Raises ValueError unless it is a compressed point of the subgroup."""
    return list(_words(G2Point.from_compressed_bytes(compressed).to_xy_bytes_be()))


def public_key_in(words: bytes) -> bytes:
    """Return the compressed point in G2 of eight words, one after another, as the constructor has checked them.

    Raises ValueError unless they are a point of the subgroup.
    """
    step = _PAD + _COORDINATE
    coordinates = b"".join(words[start + _PAD : start + step] for start in range(0, len(words), step))
    return G2Point.from_xy_bytes_be(coordinates).to_compressed_bytes()


def _words(coordinates: bytes) -> Iterator[int]:
    for start in range(0, len(coordinates), _COORDINATE):
        padded = bytes(_PAD) + coordinates[start : start + _COORDINATE]
        yield int.from_bytes(padded[:32])
        yield int.from_bytes(padded[32:])
