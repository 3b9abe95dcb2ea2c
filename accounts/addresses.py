"""E-mail addresses: the one form in which they are stored and compared, and the mailbox that each of them reaches.

Nothing here asks the network: an address is judged by how it is written, and by nothing else.
"""

from typing import NamedTuple

import idna
from email_validator import validate_email

MAX_LENGTH = 254
# In the local part these once routed a mail through one host to another: alice%home.example@relay.example.
ROUTING = frozenset("%!")


class AddressRefused(ValueError):
    """The text is no address to which mail can be sent; its words say why, for the person who typed it."""


class Provider(NamedTuple):
    """How a provider reads the addresses of its domains."""

    #: The domain that stands for all of them: they reach the same mailbox.
    domain: str
    #: Characters of the local part that it does not look at.
    ignored: str = ""


GMAIL, PROTON = Provider("gmail.com", "."), Provider("proton.me", ".-_")
PROVIDERS = (
    dict.fromkeys(("gmail.com", "googlemail.com"), GMAIL)
    | dict.fromkeys(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), PROTON)
    | dict.fromkeys(("icloud.com", "me.com", "mac.com"), Provider("icloud.com"))
)


def canonical_address(text: str) -> str:
    """The address in the form in which it is stored: lower case, ASCII, the domain in A-labels (IDNA 2008).

    All spellings of one domain that software maps to each other come out the same: other letters of it (full width,
    U-labels, composed or not), other full stops, characters that are not seen. Idempotent. Raises AddressRefused for
    what no mail reaches, or not in every mail system: a local part beyond ASCII or in quotes, comments, routes, IP
    addresses, labels too long, and names that are never on the internet (localhost, .local, .invalid, .test, …;
    email-validator's list). Domains for documentation (.example) pass: no mail reaches them, so nobody verifies one.
    Cost: some 50 µs.
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
        # First, because the validator refuses some characters that IDNA maps to nothing, and a mail would arrive.
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        checked = validate_email(f"{local}@{mapped}", check_deliverability=False, allow_smtputf8=False, strict=True)
    except ValueError as error:
        raise AddressRefused(_in_words(error)) from error
    canonical = f"{checked.local_part}@{checked.ascii_domain}".lower()
    if len(canonical) > MAX_LENGTH:
        raise AddressRefused(f"At most {MAX_LENGTH} characters.")
    return canonical


def lookup_address(text: str) -> str:
    """The form in which an address that somebody gives is looked up; never raises.

    What is no address any more, by rules that came after it was stored, is found as it was stored.
    """
    try:
        return canonical_address(text)
    except AddressRefused:
        return text.strip().lower()


def mailbox_key(text: str) -> str:
    """What is the same for all addresses that reach one mailbox; never raises, and idempotent.

    Without a sub-address (`+tag`), and for the providers above without what they do not look at. It is for counting
    people, and no address: mail goes to the address that its owner gave.
    """
    address = lookup_address(text)
    local, _, domain = address.rpartition("@")
    provider = PROVIDERS.get(domain, Provider(domain))
    base = local.partition("+")[0] or local
    plain = base.translate(dict.fromkeys(map(ord, provider.ignored))) or base
    return f"{plain}@{provider.domain}"


def _in_words(error: ValueError) -> str:
    """The validator's own words; those of idna quote code points at people."""
    if isinstance(error, idna.IDNAError):
        return "The part after the @ sign contains characters that are not allowed in a domain."
    return str(error)
