"""The project's data on a person: requested from its Auth server, because tokens lack it.

Claims cannot prove that an address is verified: the only such claim, `email_verified` in `user_metadata`, is written by
the person. The server's own `email_confirmed_at` proves it, unless the project confirms addresses without a click
(`mailer_autoconfirm`): that sets it too.
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.addresses import AddressRefused, canonical_address
from accounts.errors import EmailNotVerified, TokenRefused
from accounts.serializers.fields import NameField
from accounts.supabase.asking import SupabaseAway, ask

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """A person at Supabase: the address is verified, the name is what they chose."""

    subject: UUID
    email: str
    name: str


def verified_person(token: str, subject: UUID) -> Person:
    """Return the person of this valid token. Cost: two requests.

    Raise EmailNotVerified unless the project has verified an address of theirs, TokenRefused if their session there has
    ended or they were banned or deleted since, and SupabaseAway.
    """
    known = _known(token)
    if known.get("id") != str(subject):
        raise SupabaseAway("Supabase answered about somebody else. Try again.")
    address = _address(known.get("email"))
    if not address or not known.get("email_confirmed_at") or known.get("is_anonymous") or _is_of_company(known):
        raise EmailNotVerified("Supabase has not verified an e-mail address of yours. Open the link that it mailed.")
    if not _is_confirmed_by_mail():
        log.error("the Supabase project confirms addresses without a mail: turn its setting 'Confirm email' on")
        raise EmailNotVerified("Our Supabase project does not verify addresses. Register with a password instead.")
    return Person(subject, address, _name(known.get("user_metadata")))


def _known(token: str) -> dict[str, Any]:
    status, known = ask("user", token=token)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise TokenRefused("Supabase does not know this session any more. Sign in there again.")
    if status != HTTPStatus.OK or not isinstance(known, dict):
        raise SupabaseAway(f"Supabase answers {status}. Try again.")
    return known


def _is_confirmed_by_mail() -> bool:
    status, project = ask("settings")
    return status == HTTPStatus.OK and isinstance(project, dict) and project.get("mailer_autoconfirm") is False


def _is_of_company(known: dict[str, Any]) -> bool:
    """Whether the address comes from a company's own directory (SAML), which may claim any address."""
    claimed = known.get("app_metadata")
    return isinstance(claimed, dict) and str(claimed.get("provider", "")).startswith("sso")


def _address(given: Any) -> str:
    """Return the canonical address; empty if it is invalid, or if another mail system may read it differently.

    Some systems still send to a domain with ß as if it had ss: then another mailbox was verified than this address's.
    """
    if not isinstance(given, str):
        return ""
    local, _, domain = given.rpartition("@")
    try:
        address = canonical_address(given)
        return address if canonical_address(f"{local}@{domain.encode('idna').decode()}") == address else ""
    except (AddressRefused, UnicodeError):
        return ""


def _name(said: Any) -> str:
    """Return the name they chose; empty if we cannot show it."""
    for field in ("full_name", "name"):
        given = said.get(field) if isinstance(said, dict) else None
        try:
            return NameField().run_validation(given)
        except serializers.ValidationError:
            continue
    return ""
