"""The periods that a raffle promises, in seconds: what this installation may promise, and the defaults."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings

from luxewin.draw_bounds import DAY, DEVELOPMENT_CHAIN, MIN_CLAIM, MIN_DELAY, YEAR
from luxewin.environment import DEVELOPMENT
from raffles.questions import Fault

# Nobody trusts a draw whose randomness takes longer, and refunds of a failed draw would wait as long.
MAX_DELAY = 7 * DAY
DEFAULT_CLAIM = 14 * DAY
DEFAULT_COMMIT = 7 * DAY
MOST = {"delay_seconds": MAX_DELAY, "claim_seconds": YEAR, "commit_within_seconds": YEAR}
UNITS = ((DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def least(name: str) -> int:
    """Return the shortest period that this installation may promise.

    A payment that takes a bank days holds its tickets until `HOLD_SECONDS` after the end of the sale, and the entries
    are fixed only then. One more day lets Stripe, the database or the chain come back before everyone is refunded.
    Only on a developer's own machine can both be shorter.
    """
    is_own_chain = settings.LUXEWIN_ENV == DEVELOPMENT and settings.CHAIN_ID == DEVELOPMENT_CHAIN
    bounds = {
        "delay_seconds": max(settings.DRAW_DELAY_SECONDS, 1 if is_own_chain else MIN_DELAY),
        "claim_seconds": MIN_CLAIM,
        "commit_within_seconds": settings.HOLD_SECONDS + (0 if is_own_chain else DAY),
    }
    return bounds[name]


def faults(terms: Mapping[str, Any]) -> Iterator[Fault]:
    """Return periods that are too short or too long, as (field, code, detail). None and missing ones break no rule."""
    for name, most in MOST.items():
        given = terms.get(name)
        if given is None:
            continue
        if given < (shortest := least(name)):
            yield name, "too_short", f"At least {_in_words(shortest)}."
        if given > most:
            yield name, "too_long", f"At most {_in_words(most)}."


def _in_words(seconds: int) -> str:
    words = span(timedelta(seconds=seconds))
    return words if seconds < 60 else f"{seconds} seconds ({words})"


def span(length: timedelta) -> str:
    """Format as `2 days and 4 hours`: the two largest units."""
    left, parts = max(0, round(length.total_seconds())), []
    for seconds, name in UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count:,} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts[:2]) or "0 seconds"
