"""Whose access token this is: its signature and its claims."""

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
    """The id that the project knows the person by.

    Raises TokenRefused for a token that is not of this project, not for people who signed in, or over; and
    SupabaseAway while its keys cannot be read. A token is good until it expires, however often it is shown.
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
    """The key, and the one algorithm that it may have signed with.

    The header's `kid` chooses among the project's keys, and the key's kind gives the algorithm. The shared secret is
    for tokens whose `kid` (some have one) names no published key, and for HS256 alone: no public key ever comes to be
    used as a secret. What else a header says (`jku`, `jwk`, `x5u`, …) counts for nothing; PyJWT refuses `crit`.
    """
    kid = header.get("kid")
    keys = project_keys()
    if settings.SUPABASE_JWT_SECRET and header.get("alg") == "HS256" and not keys.known(kid):
        return settings.SUPABASE_JWT_SECRET, "HS256"
    found = keys.find(kid) if kid else None
    if found is None:
        raise jwt.InvalidKeyError("no key of this name")
    return found.public, found.algorithm
