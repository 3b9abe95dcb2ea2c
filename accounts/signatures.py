"""simplejwt's tokens, signed and verified with the keys of accounts.signing_keys: EdDSA only."""

from typing import Any

import jwt
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.signing_keys import SigningKey, ring
from luxewin.clock import MOST_SECONDS

ALGORITHM, ISSUER = "EdDSA", "luxewin"


class RingBackend(TokenBackend):
    """simplejwt's backend with our choice of the key that signs and the keys that verify.

    A token's header only chooses among our keys by `kid`: the algorithm is fixed, and keys or key addresses in a header
    are ignored.
    """

    def __init__(self, audience: str) -> None:
        # Two processes within tolerance of the database's clock may be twice that apart.
        super().__init__(ALGORITHM, audience=audience, issuer=ISSUER, leeway=2 * MOST_SECONDS)

    def encode(self, payload: dict[str, Any]) -> str:
        """Encode and sign with the current key."""
        return self.sign(payload, ring().signing())

    def sign(self, payload: dict[str, Any], key: SigningKey) -> str:
        """Sign; Ed25519 is deterministic, so the same claims and key give the same bytes."""
        claims = payload | {"aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def get_verifying_key(self, token: Any) -> Any:
        """Return the key by `kid`; raise TokenBackendError if it is not one of ours (any more)."""
        # The header alone: `decode` reads and checks the rest anyway, and PyJWT takes as long again for it.
        header = (token.decode("latin-1") if isinstance(token, bytes) else token).partition(".")[0]
        key = ring().verifying(jwt.get_unverified_header(f"{header}..").get("kid"))
        if key is None:
            raise TokenBackendError("Token is invalid")
        return key


class AccessToken(tokens.AccessToken):
    """A token for this API, and for services that verify with the published keys."""

    _token_backend = RingBackend("luxewin-api")
    #: A fact of the session, not the token, set by accounts.authentication: opened with a second factor.
    second_factor = False


class RefreshToken(tokens.RefreshToken):
    """A token for auth/refresh only: its audience makes services that forget to check the type refuse it."""

    _token_backend = RingBackend("luxewin-refresh")
    access_token_class = AccessToken
