"""The stand-in's API keys, in the form that Stripe's test keys have."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
KEY_LENGTH = 48


def secret_key() -> str:
    return f"sk_test_{random_word(KEY_LENGTH)}"


def publishable_key() -> str:
    return f"pk_test_{random_word(KEY_LENGTH)}"


def random_word(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
