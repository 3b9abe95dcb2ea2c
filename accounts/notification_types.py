"""Notification types: the events that people can switch by channel, and the kinds of messages of each."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

CHANNELS = ("email", "inbox", "novu")


@dataclass(frozen=True, slots=True)
class Event:
    """Kinds of messages that are switched together, separately for each of CHANNELS."""

    title: str
    kinds: frozenset[str]
    needs_consent: bool = False
    #: Whether it invites to buy: not for people who paused or excluded themselves.
    invites: bool = False
    #: Whether it waits where a person has quiet hours.
    can_wait: bool = False


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Other kinds are about the account, money or a prize (or are for staff): they are always sent.
OPTIONAL = {
    "purchases": Event("Receipts and ticket numbers", _kinds("purchase_paid free_entry")),
    "holds": Event("Reminders to pay for reserved tickets", _kinds("hold_ending")),
    "draws": Event("Results of draws one took part in and won nothing", _kinds("draw_lost"), can_wait=True),
    "raffles": Event("New raffles", _kinds("raffle_new"), needs_consent=True, invites=True, can_wait=True),
    # In quiet hours too: afterwards the sale may be over.
    "reminders": Event("Reminders that one asked for", _kinds("raffle_opened raffle_closing"), invites=True),
}
ALWAYS = "account"
TITLES = {name: event.title for name, event in OPTIONAL.items()} | {
    ALWAYS: "The account's security, one's money and prizes: always told"
}

# Reminders of the time in their context's `until`: they are not sent after it.
UNTIL = _kinds("hold_ending claim_reminder raffle_opened raffle_closing")
# What opens something, goes to another address, or is for an account that is closed or for staff.
MAILED_ONLY = _kinds(
    "verify_email reset_password already_registered email_change_old email_change_new email_changed export_ready"
    " deletion_requested draw_stuck prize_unawarded chain_balance_low mail_failed webhook_failed"
    " dispute_opened refund_failed commitment_gone decision_undone books_differ webhooks_silent"
)


def channels_of(kind: str) -> tuple[str, ...]:
    """Return the channels over which messages of this kind go; Novu only where it is set up."""
    if kind in MAILED_ONLY:
        return ("email",)
    return CHANNELS if settings.NOVU_SECRET_KEY else ("email", "inbox")


def event_of(kind: str) -> str:
    """Return the event that messages of this kind belong to."""
    return next((name for name, event in OPTIONAL.items() if kind in event.kinds), ALWAYS)


def all_switches(switched_off: dict[str, Any]) -> dict[str, dict[str, bool]]:
    """Return every event's channels, on or off; `switched_off` has the form that `Preferences` stores."""
    return {
        event: {channel: channel not in switched_off.get(event, ()) for channel in CHANNELS}
        for event in (*OPTIONAL, ALWAYS)
    }


def merged(switched_off: dict[str, list[str]], changes: dict[str, dict[str, bool]]) -> dict[str, list[str]]:
    """Return `switched_off` after these changes. Only what is off is listed, so new events start switched on."""
    after = {event: set(channels) for event, channels in switched_off.items()}
    for event, switches in changes.items():
        for channel, is_on in switches.items():
            channels = after.setdefault(event, set())
            channels.discard(channel) if is_on else channels.add(channel)
    return {event: sorted(channels) for event, channels in after.items() if channels}
