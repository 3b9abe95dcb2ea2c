"""Encryption of secrets at rest, with a key derived from SECRET_KEY, so that the database alone does not reveal them.

AES-256-GCM, bound to an owner: copied into another's row, a secret cannot be decrypted. Secrets encrypted with an
earlier SECRET_KEY can be read while SECRET_KEY_FALLBACKS lists it.
"""

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE_BYTES = 12


class DecryptionFailed(ValueError):
    """Not encrypted with one of our keys, or not for this owner."""


def encrypt(secret: bytes, *, owner: str) -> str:
    """Return the secret as text to store: 28 bytes longer, in base64."""
    nonce = os.urandom(NONCE_BYTES)
    return b64encode(nonce + AESGCM(_key(settings.SECRET_KEY)).encrypt(nonce, secret, owner.encode())).decode()


def decrypt(stored: str, *, owner: str) -> bytes:
    """Return the secret from the text that `encrypt` made; raise DecryptionFailed."""
    try:
        raw = b64decode(stored, validate=True)
    except ValueError as error:
        raise DecryptionFailed("this is no encrypted secret") from error
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return AESGCM(_key(key)).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):
            continue
    raise DecryptionFailed("no key of SECRET_KEY and SECRET_KEY_FALLBACKS opens this secret")


def _key(secret_key: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"accounts.encryption").derive(secret_key.encode())
