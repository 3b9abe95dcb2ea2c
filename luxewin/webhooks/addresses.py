"""Which addresses an endpoint may be at: none of our own network, unless the operator names that network."""

import ipaddress
import socket

from django.conf import settings
from django.core.exceptions import ValidationError

from luxewin.public_urls import ODD, split

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where a machine asks for its own credentials (cloud metadata): never, whatever the operator names.
LINK_LOCAL = tuple(ipaddress.ip_network(each) for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"))
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The endpoint's host has no address, or one that nothing is sent to."""


def validate_endpoint_url(url: str) -> None:
    """Raise ValidationError unless it is an https address without user and fragment. Asks no resolver.

    What its name leads to is checked at each delivery, where it counts; an address is checked here too.
    """
    parts = split(url)
    if isinstance(parts, str):
        raise ValidationError(f"Must be an https address: {parts}.", code="not_https")
    if parts.scheme != "https":
        raise ValidationError("Must be an https address.", code="not_https")
    if not (parts.hostname or "").isascii() or ODD.search(parts.netloc):
        raise ValidationError("Write the host in ASCII letters (xn--…).", code="not_ascii")
    try:
        literal = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return
    if not is_allowed(literal):
        raise ValidationError("This address is private: nothing is sent there.", code="private_address")


def resolve(host: str, port: int) -> list[str]:
    """Return the host's addresses; raise AddressRefused if it has none, or any that nothing may be sent to.

    Any spelling that the system's resolver takes (decimal, hexadecimal, a name) is judged by what it leads to. Asks
    the resolver once, and may block as long as it does.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host} cannot be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not is_allowed(parsed(address)):
            raise AddressRefused(f"{host} leads to {address}, which is private: nothing is sent there")
    return addresses


def parsed(address: str) -> Address:
    """Return an address as the resolver and sockets write it, perhaps with a zone."""
    return ipaddress.ip_address(address.partition("%")[0])


def is_allowed(address: Address) -> bool:
    """Whether something may be sent there: it is public, or of WEBHOOK_PRIVATE_NETWORKS; so are IPv4 ones within it."""
    return all(_is_allowed(each) for each in (address, *_within(address)))


def _is_allowed(address: Address) -> bool:
    def is_of(networks: object) -> bool:
        return any(address.version == each.version and address in each for each in networks)  # type: ignore[attr-defined]

    if is_of(LINK_LOCAL):
        return False
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    # Of a mapped one only the address within counts.
    return is_mapped or (address.is_global and not address.is_multicast) or is_of(settings.WEBHOOK_PRIVATE_NETWORKS)


def _within(address: Address) -> list[Address]:
    """Return the IPv4 addresses that a gateway would reach by this IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
