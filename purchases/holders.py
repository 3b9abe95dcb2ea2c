"""Holders: the digest that stands for one buyer's purchase among the public entries, and the nonce behind it.

The buyer's device makes a nonce of 32 random bytes, keeps it, and sends its SHA-256, the holder. So an entry cannot be
shown to two buyers as theirs. For a client that sends no holder the server makes the nonce, which proves less.
"""

import secrets
from hashlib import sha256
from typing import NamedTuple

from django.db.models import BinaryField, Func

SIZE = 32


class Holder(NamedTuple):
    """A holder, and its nonce if the server made it; SIZE bytes each."""

    digest: bytes
    nonce: bytes | None


def holder_of(given: bytes | None) -> Holder:
    """Return the holder that a client sent, or a new one of the server's making."""
    if given is not None:
        return Holder(given, None)
    nonce = secrets.token_bytes(SIZE)
    return Holder(sha256(nonce).digest(), nonce)


class RandomHolder(Func):
    """A holder whose nonce nobody knows, made by the database for rows that are written without one."""

    template = "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    arity = 0
    output_field = BinaryField()
