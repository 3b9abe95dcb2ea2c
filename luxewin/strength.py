"""How hard a secret is to guess."""

from itertools import pairwise

from zxcvbn import zxcvbn

# Published with software that others start from; the first is what Supabase's own images come with.
KNOWN = ("super-secret-jwt-token", "django-insecure", "changeme", "change-me", "your-secret")
# zxcvbn's time grows with the square of the length.
LOOKED_AT = 72


def is_weak(secret: str, digits: int) -> bool:
    """Whether it is well known, repeats itself, or is found in 10 ** `digits` tries of words, keyboards and sequences.

    Cost: some 50 ms.
    """
    if any(known in secret.lower() for known in KNOWN) or not has_variety(secret.encode(), 12):
        return True
    return zxcvbn(secret[:LOOKED_AT], max_length=LOOKED_AT)["guesses_log10"] < digits


def has_variety(raw: bytes, least: int) -> bool:
    """Whether there are so many different bytes, and steps from one to the next."""
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    return min(len(set(raw)), len(steps)) >= least
