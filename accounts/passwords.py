"""Passwords: how they are hashed, and which are refused."""

import hashlib
import logging
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from rest_framework.exceptions import ErrorDetail

log = logging.getLogger(__name__)
LOOKUP_SECONDS = 1.0


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with 46 MiB, one pass and one lane, the first of the settings that OWASP holds for equally good.

    Django's own take 100 MiB and eight lanes: on a small server a few people signing in at once would be an outage.
    """

    time_cost = 1
    memory_cost = 47_104
    parallelism = 1


def faults_of(password: str, person: Any) -> list[ErrorDetail]:
    """Everything that the validators of the settings find wrong with a new password of this person."""
    try:
        password_validation.validate_password(password, person)
    except ValidationError as error:
        return [ErrorDetail(fault.messages[0], fault.code) for fault in error.error_list]
    return []


class BreachedPasswordValidator:
    """Refuses what BREACHED_PASSWORDS_URL knows from breaches; unset, nothing is asked.

    The service speaks the range protocol of Have I Been Pwned: it is told the first five of forty digits of a digest,
    and never which password is meant. While it does not answer, every password passes and a line is logged.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError. Cost: one request of at most LOOKUP_SECONDS; call it outside transactions."""
        if settings.BREACHED_PASSWORDS_URL and _is_breached(password):
            raise ValidationError("This password is known from a breach of another site.", code="password_breached")

    def get_help_text(self) -> str:
        """For the back office's forms."""
        return "Your password must not be known from a breach."


def _is_breached(password: str) -> bool:
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    url = f"{settings.BREACHED_PASSWORDS_URL}/range/{digest[:5]}"
    try:
        # Padding hides from whoever counts bytes which range was asked for; padded rows have the count 0.
        answer = httpx.get(url, headers={"Add-Padding": "true"}, timeout=LOOKUP_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("the list of breached passwords does not answer, this one passes: %r", error)
        return False
    rows = (line.strip().partition(":") for line in answer.text.splitlines())
    return any(suffix == digest[5:] and count != "0" for suffix, _, count in rows)
