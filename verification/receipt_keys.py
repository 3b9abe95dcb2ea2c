"""The private keys of receipts and heads: RECEIPT_KEYS, in the form of `accounts.signing_keys`.

A draw pins the public key that signs when it is promised. All that is signed for its raffle is signed by that key, for
ever: `manage.py rotate_keys --receipts` drops none that a draw pins.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from accounts.signing_keys import KeyRing, KeysUnreadable, parse
from verification.errors import ReceiptKeyMissing
from verification.models import Draw


def ring() -> KeyRing:
    """Return the keys of the settings. Raises KeysUnreadable."""
    return parse(settings.RECEIPT_KEYS)


def signing_key() -> str:
    """Return the public key, in hex, that new draws pin. Raises ReceiptKeyMissing."""
    try:
        return ring().signing().public.public_bytes_raw().hex()
    except KeysUnreadable as error:
        raise ReceiptKeyMissing("Receipts cannot be signed: RECEIPT_KEYS is missing or wrong.") from error


def pinned_keys() -> set[str]:
    """Return the public keys that draws have pinned. Cost: one query."""
    return set(Draw.objects.order_by().values_list("receipt_key", flat=True).distinct())


def probe() -> None:
    """Raise RuntimeError if a pinned key is not among ours: its draws get no receipts and no heads."""
    if missing := [key for key in sorted(pinned_keys()) if private_key(key) is None]:
        raise RuntimeError(f"RECEIPT_KEYS lacks keys that draws have promised: {', '.join(missing)}")


def private_key(public: str) -> Ed25519PrivateKey | None:
    """Return the private key of a public one in hex; None if it is not among ours."""
    try:
        keys = ring().keys
    except KeysUnreadable:
        return None
    return next((key.private for key in keys if key.public.public_bytes_raw().hex() == public), None)
