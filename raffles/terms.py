"""Rules between the terms of a raffle, shared by the API, the back office and publication."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from luxewin.currencies import CURRENCIES, is_currency
from luxewin.draw_bounds import MAX_PICKS
from luxewin.money import as_text
from raffles import durations, questions
from raffles.fields import whole_second
from raffles.models import MAX_PRICE, MAX_TICKETS
from raffles.questions import Fault

# Years that every time zone, language and program can show and add to.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# With the maximum of reserve winners, one prize can still be picked.
MOST = {"ticket_price": MAX_PRICE, "capacity": MAX_TICKETS, "alternates": MAX_PICKS - 1}
ROUTE = ("free_route_instructions", "free_route_until")


def faults(terms: Mapping[str, Any]) -> Iterator[Fault]:
    """Return the faults of these terms, as (field, code, detail). Terms that are None or missing break no rule.

    Terms have the names of the columns; faults of the free route are named as the API has it, `free_route.until`.
    """
    capacity = terms.get("capacity")
    for name, most in MOST.items():
        if terms.get(name) and terms[name] > most:
            yield name, "max_value", f"At most {most}."
    yield from currency_faults(terms.get("currency"))
    yield from price_faults(terms.get("ticket_price"), terms.get("currency"))
    yield from _faults_of_times(terms)
    for name in ("min_tickets", "max_per_person"):
        if terms.get(name) and capacity and terms[name] > capacity:
            yield name, "above_capacity", f"At most the number of tickets, {capacity}."
    yield from durations.faults(terms)
    yield from questions.faults(terms.get("question") or "", terms.get("choices") or [], terms.get("answer") or "")


def faults_of_prizes(positions: list[int], capacity: int, alternates: int) -> Iterator[Fault]:
    """Return why these prizes cannot be drawn, given their positions in order."""
    if not positions:
        yield "prizes", "required", "Add at least one prize."
    if positions != list(range(1, len(positions) + 1)):
        yield "prizes", "positions", "Number the prizes 1, 2, 3, …"
    if capacity < len(positions):
        yield "capacity", "too_small", "There are fewer tickets than prizes."
    if len(positions) + alternates > MAX_PICKS:
        most = f"Prizes and reserve winners together can be at most {MAX_PICKS}."
        yield "alternates", "too_many_picks", most


def _faults_of_times(terms: Mapping[str, Any]) -> Iterator[Fault]:
    names = {"opens_at": "opens_at", "closes_at": "closes_at", "free_route_until": "free_route.until"}
    at = {name: whole_second(terms[name]) for name in names if terms.get(name)}
    for name, value in at.items():
        if not EARLIEST <= value < LATEST:
            yield names[name], "out_of_range", f"Must be in the years {EARLIEST:%Y} to {LATEST.year - 1}."
    opens_at, closes_at, until = (at.get(name) for name in names)
    if closes_at and opens_at and closes_at <= opens_at:
        yield "closes_at", "before_opening", "The sale must end after it starts."
    if until and opens_at and until <= opens_at:
        yield "free_route.until", "before_opening", "Letters must count until after the sale starts."
    if until and closes_at and until > closes_at:
        yield "free_route.until", "after_closing", "Letters can count at most until the sale ends."
    if all(name in terms for name in ROUTE) and bool(terms[ROUTE[0]]) != bool(until):
        if until:
            yield "free_route.instructions", "required", "Say how to enter free of charge, or clear the end."
        else:
            yield "free_route.until", "required", "Say until when letters count."


def currency_faults(currency: str | None) -> Iterator[Fault]:
    """Return why nothing can be sold in this currency. None breaks no rule."""
    if currency and not is_currency(currency):
        yield "currency", "unknown_currency", f"Cards cannot be charged in {currency}."


def price_faults(price: int | None, currency: str | None) -> Iterator[Fault]:
    """Return why one ticket cannot be paid by card: everybody may buy a single one. None breaks no rule."""
    known = CURRENCIES.get((currency or "").lower())
    if not price or known is None:
        return
    if price % known.multiple:
        lower = price - price % known.multiple
        near = " or ".join(str(each) for each in (lower, lower + known.multiple) if each)
        yield (
            "ticket_price",
            "not_a_multiple",
            f"In {known.code.upper()} it must be a multiple of {known.multiple}: {near}.",
        )
    if price < known.minimum:
        least = as_text(known.minimum, known.code)
        yield (
            "ticket_price",
            "below_minimum_charge",
            f"At least {known.minimum}, which is {least}: cards cannot be charged less.",
        )
