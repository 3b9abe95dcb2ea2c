"""What a person is shown of a device: a short name and a coarse place. Pure; no database of places is asked."""

import ipaddress
import re

# The first word found names it; those that also claim to be another stand before it.
BROWSERS = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox")),
    *(("Firefox", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
)
SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)
PRODUCT = re.compile(r"[A-Za-z][\w.-]{0,39}", re.ASCII)
# What an address names no nearer than a town.
PREFIXES = {4: 24, 6: 48}


def device_name(user_agent: str) -> str:
    """For example `Firefox on Windows`; a program's first word where it is no browser; at most 40 characters."""
    browser = next((name for word, name in BROWSERS if word in user_agent), "")
    system = next((name for word, name in SYSTEMS if word in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    product = PRODUCT.match(user_agent)
    return browser or system or (product[0] if product else "Unknown device")


def place(address: str | None) -> str:
    """The network that an address lies in, for example `203.0.113.0/24`; empty if there is none."""
    if not address:
        return ""
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network((found, PREFIXES[found.version]), strict=False))
