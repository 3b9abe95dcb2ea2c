"""Passwords: hashing, and which ones are refused."""

import asyncio
import hashlib
import logging
import unicodedata
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from rest_framework.exceptions import ErrorDetail
from zxcvbn import zxcvbn

from luxewin.api.slots import NoSlot, Slots
from luxewin.tls import trusted

log = logging.getLogger(__name__)
LOOKUP_SECONDS, MOST_ANSWER = 1.0, 1 << 19  # a range has about 1,000 rows of 40 bytes
SLOTS = Slots(16)
# Words that guessers try first on this site; PASSWORD_WORDS adds an operator's own names.
CONTEXT_WORDS = ("luxewin", "luxe", "raffle", "ticket", "winner", "prize", "jackpot", "admin", "password", "welcome")
LEFT_WITHOUT_THEM = 8
# Prefix of the salts of folded passwords; the random part after it has all of its 128 bits.
FOLDED = "nf."
# zxcvbn's score of 0 to 4, and how much of a password it reads: its time grows with the square.
SAFE_SCORE, LOOKED_AT = 3, 72


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with 46 MiB, one pass and one lane, the first of the settings that OWASP rates as equally good.

    Django's defaults take 100 MiB and eight lanes: on a small server a few concurrent sign-ins would be an outage.
    """

    time_cost = 1
    memory_cost = 47_104
    parallelism = 1

    def salt(self) -> str:
        """Return a salt that begins with FOLDED, which marks a hash of the folded password."""
        return FOLDED + super().salt()

    def encode(self, password: str, salt: str) -> str:
        """Hash the password, folded if the salt says so."""
        return super().encode(fold(password) if salt.startswith(FOLDED) else password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Hash once, as when it was set: an old hash is of the exact characters typed then."""
        return super().verify(fold(password) if self._is_folded(encoded) else password, encoded)

    def must_update(self, encoded: str) -> bool:
        """Whether it is an old hash, which is replaced when its password is next given."""
        return not self._is_folded(encoded) or super().must_update(encoded)

    def _is_folded(self, encoded: str) -> bool:
        return str(self.decode(encoded)["salt"]).startswith(FOLDED)


def fold(password: str) -> str:
    """Return one form for all ways in which keyboards write a letter: composed or combined accents, wide letters."""
    return unicodedata.normalize("NFKC", password)


def faults_of(password: str, person: Any) -> list[ErrorDetail]:
    """Return every fault that the configured validators find in this person's new password, once folded."""
    try:
        password_validation.validate_password(fold(password), person)
    except ValidationError as error:
        return [ErrorDetail(fault.messages[0], fault.code) for fault in error.error_list]
    return []


class OwnWordsPasswordValidator:
    """Refuse a password of little more than words of this site: LEFT_WITHOUT_THEM letters must remain."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError."""
        left = password.lower()
        for word in sorted({*CONTEXT_WORDS, *map(str.lower, settings.PASSWORD_WORDS)}, key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < min(len(password), LEFT_WITHOUT_THEM):
            raise ValidationError("This password is too close to the words of this site.", code="password_of_site")

    def get_help_text(self) -> str:
        """Return the text for the back office's forms."""
        return "Your password cannot consist of words of this site."


class GuessablePasswordValidator:
    """Refuse a password that lists, names, keyboards and dates guess within 10⁸ tries, by zxcvbn's estimate."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError. Cost: milliseconds; 0.1 s for a pattern repeated over all that is read."""
        known = [*CONTEXT_WORDS, *settings.PASSWORD_WORDS]
        if user is not None:
            known += [user.email, user.display_name]
        found = zxcvbn(password[:LOOKED_AT], user_inputs=known, max_length=LOOKED_AT)
        if found["score"] < SAFE_SCORE:
            why = found["feedback"]["warning"] or "This password is easy to guess."
            raise ValidationError(f"{why} Add another word or two.", code="password_guessable")

    def get_help_text(self) -> str:
        """Return the text for the back office's forms."""
        return "Your password must not be easy to guess; a few unrelated words make a good one."


class BreachedPasswordValidator:
    """Refuse a password that BREACHED_PASSWORDS_URL knows from breaches; unset, nothing is asked.

    The service speaks the range protocol of Have I Been Pwned: it gets the first five of a digest's forty digits, and
    never learns the password. While it does not answer, every password passes and a line is logged.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError. Cost: one request of at most LOOKUP_SECONDS; call it outside transactions."""
        if settings.BREACHED_PASSWORDS_URL and _is_breached(password):
            raise ValidationError(
                "This password appeared in a data breach of another site. Choose another.", code="password_breached"
            )

    def get_help_text(self) -> str:
        """Return the text for the back office's forms."""
        return "Your password cannot be one that appeared in a data breach."


def _is_breached(password: str) -> bool:
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    url = f"{settings.BREACHED_PASSWORDS_URL}/range/{digest[:5]}"
    try:
        with SLOTS.take():
            answer = asyncio.run(_read(url))
    except (httpx.HTTPError, NoSlot, TimeoutError) as error:
        log.warning("the list of breached passwords does not answer, this one passes: %r", error)
        return False
    rows = (line.strip().partition(":") for line in answer.decode(errors="replace").splitlines())
    return any(suffix == digest[5:] and count != "0" for suffix, _, count in rows)


async def _read(url: str) -> bytes:
    """Return the service's answer up to a size limit; raise HTTPError or TimeoutError."""
    # asyncio bounds the whole answer, while httpx's time-outs are per read. Padding hides from observers which range
    # was asked for; padded rows have the count 0. Not decompressed: a few bytes could unfold to any size.
    headers = {"Add-Padding": "true", "Accept-Encoding": "identity"}
    async with (
        asyncio.timeout(LOOKUP_SECONDS),
        httpx.AsyncClient(timeout=None, headers=headers, verify=trusted()) as client,  # noqa: S113 (bounded above)
        client.stream("GET", url) as response,
    ):
        answer = b""
        async for chunk in response.raise_for_status().aiter_raw():
            answer += chunk
            if len(answer) > MOST_ANSWER:
                raise httpx.DecodingError(f"the answer is longer than {MOST_ANSWER} bytes")
    return answer
