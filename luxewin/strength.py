"""How hard a secret is to guess."""

from functools import lru_cache
from itertools import pairwise

from zxcvbn import zxcvbn

# Published as defaults of software; the first is that of Supabase's own images.
KNOWN = ("super-secret-jwt-token", "django-insecure", "changeme", "change-me", "your-secret")
# Ed25519 keys whose private half is in RFC 8032's test vectors or RFC 8037's example; by their public half.
PUBLISHED_KEYS = frozenset(
    {
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292",
        "0f1d1274943b91415889152e893d80e93275a1fc0b65fd71b4b0dda10ad7d772",
    }
)
# zxcvbn's time grows with the square of the length.
LOOKED_AT = 72


@lru_cache(maxsize=64)
def is_weak(secret: str, digits: int) -> bool:
    """Whether it is well known, repeats itself, or can be guessed in 10 ** `digits` tries.

    Guesses are words, keyboard patterns and sequences. Cost: some 50 ms, once per process and secret.
    """
    if any(known in secret.lower() for known in KNOWN) or not has_variety(secret.encode(), 12):
        return True
    return zxcvbn(secret[:LOOKED_AT], max_length=LOOKED_AT)["guesses_log10"] < digits


def has_variety(raw: bytes, least: int) -> bool:
    """Whether there are enough different bytes, and steps from one to the next."""
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    return min(len(set(raw)), len(steps)) >= least
