"""Rules between the terms of a raffle, shared by the API and the back office."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from luxewin.currencies import CURRENCIES, is_currency
from luxewin.money import as_text
from raffles import questions
from raffles.models import MAX_PRICE, MAX_TICKETS
from raffles.questions import Fault

# Years that every time zone, language and program can show and add to.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
MOST = {"ticket_price": MAX_PRICE, "capacity": MAX_TICKETS}


def faults(terms: Mapping[str, Any]) -> Iterator[Fault]:
    """Return the faults of these terms, as (field, code, detail). Terms that are None or missing break no rule."""
    value: dict[str, Any] = {name: terms.get(name) for name in (*MOST, "currency", "opens_at", "closes_at")}
    for name, most in MOST.items():
        if value[name] and value[name] > most:
            yield name, "max_value", f"At most {most}."
    yield from currency_faults(value["currency"])
    yield from price_faults(value["ticket_price"], value["currency"])
    yield from _faults_of_times(value)
    for name in ("min_tickets", "max_per_person"):
        if terms.get(name) and value["capacity"] and terms[name] > value["capacity"]:
            yield name, "above_capacity", f"At most the number of tickets, {value['capacity']}."
    yield from questions.faults(terms.get("question") or "", terms.get("choices") or [], terms.get("answer") or "")


def _faults_of_times(value: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("opens_at", "closes_at"):
        if value[name] and not EARLIEST <= value[name] < LATEST:
            yield name, "out_of_range", f"Must be in the years {EARLIEST:%Y} to {LATEST.year - 1}."
    if value["closes_at"] and value["opens_at"] and value["closes_at"] <= value["opens_at"]:
        yield "closes_at", "before_opening", "The sale must end after it starts."


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
