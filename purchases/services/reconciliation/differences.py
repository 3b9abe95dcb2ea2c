"""What a comparison finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction

from luxewin.audit.services import Actor, record
from purchases.models import SettledDifference


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides, in words."""

    text: str
    #: What was done about it; empty: nothing.
    done: str = ""
    #: Whether it is gone by that.
    repaired: bool = False

    @property
    def key(self) -> str:
        """What finance settles it by: what was done differs from run to run."""
        return key_of(self.text)

    def __str__(self) -> str:
        return f"{self.text}; {self.done}" if self.done else self.text


def key_of(line: str) -> str:
    """What of a difference's line says which it is."""
    return line.partition("; ")[0][:400]


def unsettled(found: Iterable[Difference]) -> Iterator[Difference]:
    """Those that finance has not settled. Cost: one query."""
    settled = set(SettledDifference.objects.values_list("text", flat=True))
    return (each for each in found if each.repaired or each.key not in settled)


def settle_difference(line: str, *, reason: str, actor: Actor) -> SettledDifference:
    """Have comparisons name this difference no more, because it was dealt with in another way. Idempotent.

    One that changes, by its status or amount, is another difference and is named.
    """
    facts = {"reason": reason, "by_id": actor.id}
    with transaction.atomic():
        settled, is_new = SettledDifference.objects.get_or_create(text=key_of(line), defaults=facts)
        if is_new:
            record("difference.settled", settled, actor=actor, after={"difference": settled.text, "reason": reason})
    return settled
