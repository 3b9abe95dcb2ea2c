"""Short device names and coarse places, as shown to people. Pure; no location database is used."""

import ipaddress
import re

# The first match names it, so names that also claim to be another come first.
BROWSERS = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox")),
    *(("Firefox", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
)
SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)
PRODUCT = re.compile(r"[A-Za-z][\w.-]{0,39}", re.ASCII)
# Prefix lengths that locate an address no closer than a town.
PREFIXES = {4: 24, 6: 48}


def device_name(user_agent: str) -> str:
    """Return for example `Firefox on Windows`, or a program's first word if it is no browser; at most 40 characters."""
    browser = next((name for word, name in BROWSERS if word in user_agent), "")
    system = next((name for word, name in SYSTEMS if word in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    product = PRODUCT.match(user_agent)
    return browser or system or (product[0] if product else "Unknown device")


def is_known_device(user_agent: str) -> bool:
    """Whether `device_name` names a browser or system, instead of repeating a word of the header."""
    return any(word in user_agent for word, _ in (*BROWSERS, *SYSTEMS))


def place(address: str | None) -> str:
    """Return the network of an address, for example `203.0.113.0/24`; empty if there is none."""
    if not address:
        return ""
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network((found, PREFIXES[found.version]), strict=False))
