"""Supabase access tokens: their signature and their claims."""

from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from accounts.errors import TokenRefused
from accounts.supabase.asking import issuer
from accounts.supabase.jwks import project_keys

AUDIENCE = ROLE = "authenticated"
REQUIRED = ["iss", "aud", "exp", "iat", "sub"]
# Seconds that two clocks may differ.
LEEWAY = 10


def subject_of(token: str) -> UUID:
    """Return the project's id of the person.

    Raise TokenRefused for a token of another project, not of a signed-in person, or expired; and SupabaseAway while the
    project's keys cannot be read. A token is valid until it expires, however often it is used.
    """
    try:
        key, algorithm = _key_for(jwt.get_unverified_header(token))
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=issuer(),
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
        subject = UUID(claims["sub"])
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenRefused("This is not a valid access token of our Supabase project.") from error
    if claims.get("role") != ROLE:
        raise TokenRefused("This access token is not a person's.")
    if claims.get("is_anonymous"):
        raise TokenRefused("Anonymous users of Supabase cannot sign in here.")
    return subject


def _key_for(header: dict[str, Any]) -> tuple[Any, str]:
    """Return the key, and the only algorithm that it may have signed with.

    The header's `kid` chooses among the project's keys, and the key's kind determines the algorithm. The shared secret
    is for tokens whose `kid` (some have one) names no published key, and for HS256 only: so a public key is never used
    as a secret. Other header fields (`jku`, `jwk`, `x5u`, …) are ignored; PyJWT refuses `crit`.
    """
    kid = header.get("kid")
    keys = project_keys()
    if settings.SUPABASE_JWT_SECRET and header.get("alg") == "HS256" and not keys.known(kid):
        return settings.SUPABASE_JWT_SECRET, "HS256"
    found = keys.find(kid) if kid else None
    if found is None:
        raise jwt.InvalidKeyError("no key of this name")
    return found.public, found.algorithm
