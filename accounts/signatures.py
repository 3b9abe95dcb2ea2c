"""simplejwt's tokens, signed and verified with the keys of accounts.signing_keys: EdDSA and nothing else."""

from typing import Any

import jwt
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.signing_keys import SigningKey, ring
from luxewin.clock import MOST_SECONDS

ALGORITHM, ISSUER = "EdDSA", "luxewin"


class RingBackend(TokenBackend):
    """simplejwt's backend, but for which key signs and which verifies.

    The token's header chooses among our keys by `kid`, and nothing else: the algorithm is fixed, and keys or addresses
    of keys that a header brings along are not looked at.
    """

    def __init__(self, audience: str) -> None:
        # Two processes that are both near enough to the database's clock may be twice that apart.
        super().__init__(ALGORITHM, audience=audience, issuer=ISSUER, leeway=2 * MOST_SECONDS)

    def encode(self, payload: dict[str, Any]) -> str:
        """Signed by the key whose turn it is."""
        return self.sign(payload, ring().signing())

    def sign(self, payload: dict[str, Any], key: SigningKey) -> str:
        """Ed25519 is deterministic: the same claims and key give the same bytes."""
        claims = payload | {"aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def get_verifying_key(self, token: Any) -> Any:
        """By `kid`; raises TokenBackendError for any that is not ours (any more)."""
        key = ring().verifying(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise TokenBackendError("Token is invalid")
        return key


class AccessToken(tokens.AccessToken):
    """For this API, and for services that verify with the published keys."""

    _token_backend = RingBackend("luxewin-api")
    #: Not of the token but of its session, which accounts.authentication reads: opened with a second factor.
    second_factor = False


class RefreshToken(tokens.RefreshToken):
    """For auth/refresh alone: its audience keeps services that forget to look at its type from taking it."""

    _token_backend = RingBackend("luxewin-refresh")
    access_token_class = AccessToken
