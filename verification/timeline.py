"""The timeline of a draw in words: what has happened and when, and what it waits for now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from django.utils.formats import date_format

from verification.models import ChainStep, Draw

State = Draw.State
Step = ChainStep.Step


@dataclass(frozen=True, slots=True)
class Moment:
    """One step: its name, what it means, and when it was taken; `at` is None if it is still to come."""

    name: str
    meaning: str
    at: datetime | None


class Timeline:
    """A draw's timeline for its page. `steps` are those on its chain, by name; `now` is the database's time."""

    def __init__(self, draw: Draw, steps: Mapping[str, ChainStep], now: datetime) -> None:
        self.draw, self.raffle, self.steps = draw, draw.raffle, steps
        self.now = now

    @property
    def label(self) -> str:
        """The state in a word or two."""
        if self.draw.state == State.ANNOUNCED:
            return self._phase
        names = {
            State.PROMISED: "Promised",
            State.FROZEN: "Entries fixed",
            State.COMMITTED: "Waiting for the beacon",
            State.DRAWN: "Drawn",
            State.SETTLED: "Drawn and settled",
            State.VOID: "Cancelled",
        }
        return names[State(self.draw.state)]

    @property
    def _phase(self) -> str:
        if self.raffle.closed_at:
            return "Sale over"
        return "On sale" if self.raffle.opens_at <= self.now else "Not yet on sale"

    @property
    def waits_for(self) -> str:
        """What comes next and when, or how it ended."""
        words = {
            State.PROMISED: "The promise below is fixed. The sale opens once its fingerprint is on the chain.",
            State.ANNOUNCED: self._sale,
            State.FROZEN: self._fixed,
            State.COMMITTED: self._round,
            State.DRAWN: "The picks stand. The contract on the chain is about to compute the same picks by itself.",
            State.SETTLED: "The draw is finished, and its picks can never change.",
            State.VOID: self._cancelled,
        }
        if self.draw.contradiction:
            return f"The draw has stopped: {self.draw.contradiction}. Our staff are looking into it."
        is_finished = self.draw.state == State.DRAWN and not self.draw.is_anchored
        return words[State.SETTLED if is_finished else State(self.draw.state)]

    @property
    def _fixed(self) -> str:
        if self.draw.void_at:
            return (
                "The entries are fixed, and cannot be committed on the chain. Unless they are before "
                f"{in_words(self.draw.void_at)}, the draw becomes void and everyone is refunded."
            )
        if self.draw.is_published:
            return "Entries and log are fixed for good, and public. Their fingerprint is about to be committed."
        return "The entries are fixed for good. Entries and log are about to be published."

    @property
    def _cancelled(self) -> str:
        when = f" on {in_words(self.raffle.cancelled_at)}" if self.raffle.cancelled_at else ""
        said = (
            f"This raffle was cancelled{when}. No draw is held, and everyone who paid is refunded. {self._void_reason}"
        )
        return said.strip()

    @property
    def _void_reason(self) -> str:
        reason = self.draw.void_reason or self.raffle.cancel_reason
        return f"The reason: {reason}" if reason else ""

    @property
    def _sale(self) -> str:
        if self.raffle.closed_at:
            return "The sale is over. The last payments are being settled; then the entries are fixed for good."
        if self.raffle.opens_at > self.now:
            return f"The sale opens on {in_words(self.raffle.opens_at)}."
        return f"Tickets are on sale until {in_words(self.raffle.closes_at)}, or until the last one is sold."

    @property
    def _round(self) -> str:
        name = f"Beacon round {self.draw.round}"
        if self.round_at and self.round_at > self.now:
            when = in_words(self.round_at)
            return f"The fingerprint of the entries is published. {name} decides; nobody can know it before {when}."
        if self.draw.void_at:
            return (
                f"{name} has not appeared. Unless it does before {in_words(self.draw.void_at)}, the draw becomes void "
                "and everyone is refunded. No other randomness is ever used."
            )
        return f"{name} is due. As soon as a relay delivers it, the draw is computed from it."

    @cached_property
    def round_at(self) -> datetime | None:
        """When the deciding round appears; None until that round is known."""
        if self.draw.round is None:
            return None
        return datetime.fromtimestamp(self.draw.promised_beacon.time_of(self.draw.round), UTC)

    @property
    def committed_at(self) -> datetime | None:
        """When the entries' fingerprint was published."""
        seconds = self.draw.committed_at
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def moments(self) -> Iterator[Moment]:
        """Yield every step in order: those taken, and those to come unless the draw is void."""
        is_void = self.draw.state == State.VOID
        return (moment for moment in self._way() if moment.at or not is_void)

    def _way(self) -> Iterator[Moment]:
        raffle, anchored = self.raffle, self.draw.is_anchored
        yield Moment("Promised", "Every term below was fixed and published.", raffle.published_at)
        if anchored:
            yield Moment("Announced", "The promise's fingerprint is in the contract.", self._mined(Step.ANNOUNCE))
        yield Moment("Sale closed", "Sold out, or the time was over.", raffle.closed_at)
        yield Moment("Entries fixed", "Nobody can be added or taken out any more.", raffle.frozen_at)
        where = "in the contract" if anchored else "here"
        yield Moment("Committed", f"The fingerprint of the entries was published {where}.", self.committed_at)
        yield from self._end()

    def _end(self) -> Iterator[Moment]:
        if self.draw.void_declared_at:
            meaning = "The beacon round was long overdue." if self.draw.round else "The entries could not be committed."
            yield Moment("Declared void", meaning, self.draw.void_declared_at)
        if self.draw.state == State.VOID:
            yield Moment("Cancelled", "No draw is held.", self.raffle.cancelled_at)
            return
        name = f"Beacon round {self.draw.round}" if self.draw.round else "Beacon round"
        is_out = self.round_at is not None and self.round_at <= self.now
        meaning = "The round that the rules say, not chosen by anybody."
        yield Moment(name, meaning, self.round_at if is_out else None)
        yield Moment("Drawn", "Seed and picks were computed from all of this.", self.raffle.drawn_at)
        if self.draw.is_anchored:
            yield Moment("Settled", "The contract computed the same picks.", self._mined(Step.SETTLE))

    def _mined(self, step: str) -> datetime | None:
        taken = self.steps.get(step)
        seconds = taken and taken.transaction.block_time
        return datetime.fromtimestamp(seconds, UTC) if seconds else None


def in_words(moment: datetime) -> str:
    """Format a time as `22 November 2026, 16:30:05 UTC`."""
    return f"{date_format(moment.astimezone(UTC), 'j F Y, H:i:s')} UTC"
