"""Rules between the terms of a raffle: the same for the API and the back office."""

from collections.abc import Iterator, Mapping
from typing import Any

from luxewin.money import is_currency
from raffles import questions
from raffles.models import MAX_PRICE, MAX_TICKETS
from raffles.questions import Fault

MOST = {"ticket_price": MAX_PRICE, "capacity": MAX_TICKETS}


def faults(terms: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with these terms, as (field, code, detail). What is None or left out breaks no rule."""
    value: dict[str, Any] = {name: terms.get(name) for name in (*MOST, "currency", "opens_at", "closes_at")}
    for name, most in MOST.items():
        if value[name] and value[name] > most:
            yield name, "max_value", f"At most {most}."
    if value["currency"] and not is_currency(value["currency"]):
        yield "currency", "unknown_currency", f"{value['currency']} is not an ISO 4217 code."
    if value["closes_at"] and value["opens_at"] and value["closes_at"] <= value["opens_at"]:
        yield "closes_at", "before_opening", "Must be after the opening."
    for name in ("min_tickets", "max_per_person"):
        if terms.get(name) and value["capacity"] and terms[name] > value["capacity"]:
            yield name, "above_capacity", "Must not exceed the capacity."
    yield from questions.faults(terms.get("question") or "", terms.get("choices") or [], terms.get("answer") or "")
