"""URLs that others are sent to: whether one names a host of the public internet, and nothing else."""

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# Names that no public resolver answers (RFC 6761, 6762, 8375, 9476; .internal is ICANN's for private use).
PRIVATE_SUFFIXES = frozenset(
    {"localhost", "local", "internal", "lan", "home", "corp", "intranet", "invalid", "onion", "alt"}
)
ODD = re.compile(r"[\x00-\x20\x7f\\^`{|}<>\"]")


def public_host_fault(host: str) -> str:
    """Return why a host is no full name of the public internet; empty if it is one. IP addresses never are."""
    # Browsers read full-width letters and other full stops as plain ones.
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower().removesuffix(".")
    try:
        name = name.encode("idna").decode("ascii")
    except UnicodeError:
        return "it is no host name"
    labels = name.split(".")
    if not all(LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        return "it is no host name"
    # A host that ends in a number is read as an IPv4 address: 10.0.0.1, 0x7f.1, 2130706433.
    if re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        return "it is an IP address, not a name"
    if len(labels) < 2 or labels[-1] in PRIVATE_SUFFIXES or name.endswith(".home.arpa"):
        return "it is no name of the public internet"
    return ""


def host_fault(host: str) -> str:
    """Return why a request may not name this host: neither a public one, nor one of our own network."""
    is_plain = host == host.strip().strip(".") and not {"*", "/", "@", "_"} & set(host)
    return "" if is_plain and is_private_host(host) else public_host_fault(host)


def is_private_host(host: str) -> bool:
    """Whether it is in our own network: a private address, or a name that no public resolver has."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        labels = host.lower().removesuffix(".").split(".")
        is_ours = (
            labels[-1] in PRIVATE_SUFFIXES or host == "localhost" or (len(labels) == 1 and not labels[0].isdigit())
        )
        return is_ours and all(LABEL.fullmatch(label) for label in labels)


def url_fault(url: str, *, schemes: tuple[str, ...] = ("https",), path: bool = True, query: bool = False) -> str:
    """Return why a URL is not of these schemes with a public host, and perhaps a path and a query; empty if it is."""
    parts = split(url)
    if isinstance(parts, str):
        return parts
    if parts.scheme not in schemes:
        return f"it does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if fault := public_host_fault(parts.hostname or ""):
        return fault
    if parts.path not in {"", "/"} and not path:
        return "it has a path"
    if parts.query and not query:
        return "it has a query"
    return ""


def validate_public_url(url: str) -> None:
    """Raise ValidationError unless it is an https URL of a public host; path and query may be anything.

    For model fields whose URLs other people's browsers open: API, back office and files share the field's validators.
    """
    if fault := url_fault(url, query=True):
        raise ValidationError(f"Must be a public https address: {fault}.", code="not_public")


def origin_fault(url: str) -> str:
    """Return why this is no https origin of a public host, written as browsers write it; empty if it is."""
    return url_fault(url, path=False) or (
        "" if url == url.lower() and url.count("/") == 2 else "it is not only an origin"
    )


def split(url: str) -> SplitResult | str:
    """Return the parts of a URL with a host and without user, fragment and odd characters; else its fault."""
    if ODD.search(url):
        return "it has blanks or characters that no address has"
    try:
        parts = urlsplit(url)
        is_served = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "it is no address"
    if not is_served:
        return "it names no host"
    if "@" in parts.netloc:
        return "it has a user name"
    if parts.fragment or url.endswith("#"):
        return "it has a fragment"
    return parts
