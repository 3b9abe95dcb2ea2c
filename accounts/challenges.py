"""Challenges: proof, for five minutes, that a person gave the right password and still owes the code.

A challenge is signed text for one purpose and no token: it is not signed by a key that signs tokens, and nothing else
reads it. A new password or address ends it. It may be sent again after a wrong code; the count of codes limits that.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.errors import ChallengeRefused
from accounts.models import User

PURPOSE, LIFETIME = "accounts.challenges", timedelta(minutes=5)


def challenge_for(user: User, *, link: UUID | None = None) -> str:
    """Return the challenge of a person who just gave their password, or signed in by `link`, an account elsewhere."""
    return signing.dumps([user.pk.hex, _state(user), link.hex if link else None], salt=PURPOSE)


def challenged(text: str) -> tuple[User, UUID | None]:
    """Return its person and the account to link after the code; raise ChallengeRefused."""
    refusal = ChallengeRefused("Your sign-in took too long or does not match. Please sign in again.")
    try:
        said: Any = signing.loads(text, salt=PURPOSE, max_age=LIFETIME)
    except (signing.BadSignature, ValueError) as error:
        raise refusal from error
    user = User.objects.filter(pk=said[0], is_active=True).first()
    if user is None or not constant_time_compare(said[1], _state(user)):
        raise refusal
    return user, UUID(said[2]) if said[2] else None


def _state(user: User) -> str:
    return salted_hmac(PURPOSE, f"{user.email} {user.password}", algorithm="sha256").hexdigest()[:32]
