"""Differences that a comparison finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction

from luxewin.audit.services import Actor, record
from purchases.models import SettledDifference


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides, in words."""

    text: str
    #: What was done about it; empty if nothing.
    done: str = ""
    #: Whether that removed it.
    repaired: bool = False

    @property
    def key(self) -> str:
        """The text by which finance settles it, without `done`, which differs from run to run."""
        return key_of(self.text)

    def __str__(self) -> str:
        return f"{self.text}; {self.done}" if self.done else self.text


def key_of(line: str) -> str:
    """Return the part of a difference's line that identifies it."""
    return line.partition("; ")[0][:400]


def unsettled(found: Iterable[Difference]) -> Iterator[Difference]:
    """Filter out the differences that finance has settled. Cost: one query."""
    settled = set(SettledDifference.objects.values_list("text", flat=True))
    return (each for each in found if each.repaired or each.key not in settled)


def settle_difference(line: str, *, reason: str, actor: Actor) -> SettledDifference:
    """Stop comparisons from reporting a difference that was dealt with in another way. Idempotent.

    If its status or amount changes, it is another difference and is reported.
    """
    facts = {"reason": reason, "by_id": actor.id}
    with transaction.atomic():
        settled, is_new = SettledDifference.objects.get_or_create(text=key_of(line), defaults=facts)
        if is_new:
            record("difference.settled", settled, actor=actor, after={"difference": settled.text, "reason": reason})
    return settled
