"""What people are told of, as data: the events that they switch by channel, and each one's kinds of messages."""

from dataclasses import dataclass
from typing import Any

CHANNELS = ("email",)


@dataclass(frozen=True, slots=True)
class Event:
    """Kinds of messages that are switched together, in each of CHANNELS by itself."""

    title: str
    kinds: frozenset[str]
    needs_consent: bool = False


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What stands in none of these is about one's account, money or prize (or is for staff): it is always sent.
OPTIONAL = {
    "purchases": Event("Receipts and ticket numbers", _kinds("purchase_paid free_entry")),
    "draws": Event("Results of draws one took part in and won nothing", _kinds("draw_lost")),
    "raffles": Event("New raffles", _kinds("raffle_new"), needs_consent=True),
}
ALWAYS = "account"
TITLES = {name: event.title for name, event in OPTIONAL.items()} | {
    ALWAYS: "The account's security, one's money and prizes: always told"
}


def event_of(kind: str) -> str:
    """The event that messages of this kind belong to."""
    return next((name for name, event in OPTIONAL.items() if kind in event.kinds), ALWAYS)


def all_switches(switched_off: dict[str, Any]) -> dict[str, dict[str, bool]]:
    """Every event's channels, on or off. `switched_off` lists the channels of events as `Preferences` keeps them."""
    return {
        event: {channel: channel not in switched_off.get(event, ()) for channel in CHANNELS}
        for event in (*OPTIONAL, ALWAYS)
    }


def merged(switched_off: dict[str, list[str]], changes: dict[str, dict[str, bool]]) -> dict[str, list[str]]:
    """`switched_off` after these changes; only what is off is listed, so that what is new begins switched on."""
    after = {event: set(channels) for event, channels in switched_off.items()}
    for event, switches in changes.items():
        for channel, is_on in switches.items():
            channels = after.setdefault(event, set())
            channels.discard(channel) if is_on else channels.add(channel)
    return {event: sorted(channels) for event, channels in after.items() if channels}
