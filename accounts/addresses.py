"""E-mail addresses: their canonical form for storage and comparison, and the mailbox that each one reaches.

Nothing here uses the network: an address is judged by its spelling alone.
"""

from typing import NamedTuple

import idna
from email_validator import validate_email

MAX_LENGTH = 254
# In the local part these once routed a mail from host to host: alice%home.example@relay.example.
ROUTING = frozenset("%!")


class AddressRefused(ValueError):
    """The text is no address that can receive mail; the message says why, for the person who typed it."""


class Provider(NamedTuple):
    """How a provider reads the addresses of its domains."""

    #: The domain that replaces all of them: they reach the same mailbox.
    domain: str
    #: Characters of the local part that it ignores.
    ignored: str = ""


GMAIL, PROTON = Provider("gmail.com", "."), Provider("proton.me", ".-_")
PROVIDERS = (
    dict.fromkeys(("gmail.com", "googlemail.com"), GMAIL)
    | dict.fromkeys(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), PROTON)
    | dict.fromkeys(("icloud.com", "me.com", "mac.com"), Provider("icloud.com"))
)


def canonical_address(text: str) -> str:
    """Return the address as it is stored: lower case, ASCII, the domain in A-labels (IDNA 2008).

    All spellings of a domain that software treats as equal give the same result: letters in other forms (full width,
    U-labels, composed or not), other full stops, invisible characters. Idempotent. Raise AddressRefused for addresses
    that no mail reaches, or not in every mail system: a local part beyond ASCII or in quotes, comments, routes, IP
    addresses, labels too long, and names that are never on the internet (localhost, .local, .invalid, .test, …;
    email-validator's list). Domains for documentation (.example) pass: no mail reaches them, so they are never
    verified. Cost: some 50 µs.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise AddressRefused(f"At most {MAX_LENGTH} characters.")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressRefused("An e-mail address needs an @ sign.")
    if ROUTING & set(local):
        raise AddressRefused("The part before the @ sign cannot contain % or !.")
    try:
        # First, because the validator refuses some characters that IDNA maps to nothing, although mail would arrive.
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        checked = validate_email(f"{local}@{mapped}", check_deliverability=False, allow_smtputf8=False, strict=True)
    except ValueError as error:
        raise AddressRefused(_in_words(error)) from error
    canonical = f"{checked.local_part}@{checked.ascii_domain}".lower()
    if len(canonical) > MAX_LENGTH:
        raise AddressRefused(f"At most {MAX_LENGTH} characters.")
    return canonical


def lookup_address(text: str) -> str:
    """Return the form in which a given address is looked up; never raises.

    An address that newer rules refuse is found as it was stored.
    """
    try:
        return canonical_address(text)
    except AddressRefused:
        return text.strip().lower()


def mailbox_key(text: str) -> str:
    """Return a key shared by all addresses that reach one mailbox; never raises, and idempotent.

    It leaves out a sub-address (`+tag`), and for the providers above the characters that they ignore. It is for
    counting people, and no address: mail goes to the address that its owner gave.
    """
    address = lookup_address(text)
    local, _, domain = address.rpartition("@")
    provider = PROVIDERS.get(domain, Provider(domain))
    base = local.partition("+")[0] or local
    plain = base.translate(dict.fromkeys(map(ord, provider.ignored))) or base
    return f"{plain}@{provider.domain}"


def _in_words(error: ValueError) -> str:
    """Return the validator's own message; those of idna quote code points."""
    if isinstance(error, idna.IDNAError):
        return "The part after the @ sign contains characters that are not allowed in a domain."
    return str(error)
