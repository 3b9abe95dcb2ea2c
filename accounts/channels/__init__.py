"""Channels over which people are told: one module each, behind one interface. The inbox needs none: it is a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from accounts.models import Notification


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message: it was taken unless there is an `error`."""

    #: Recipient, subject and text for the message's row, as far as they were written.
    words: dict[str, str] = field(default_factory=dict)
    #: What the provider that took it said.
    said: str = ""
    #: Why it was not taken.
    error: str = ""
    #: Whether only people can remove the cause: staff are told at once.
    needs_staff: bool = False
    #: How long the provider wants to be left alone.
    pause: timedelta = timedelta()


class Channel(Protocol):
    """A way out to people."""

    #: How many messages `send` takes at once.
    most: int

    def send(self, messages: Sequence[Notification]) -> list[Answer]:
        """Send messages, and return an answer for each. Whatever goes wrong is in the answers.

        Called by workers outside any transaction, after an attempt was counted for each; a worker that dies afterwards
        has it called again for the same messages. So their ids must keep the other side from telling them twice.
        """
