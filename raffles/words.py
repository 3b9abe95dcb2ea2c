"""The terms of a raffle in words, for the person about to fix them."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format

from luxewin.money import as_text
from raffles.durations import span
from raffles.models import Raffle


def in_words(raffle: Raffle, now: datetime) -> Iterator[tuple[str, str]]:
    """Return name and text of each term; amounts with their currency, times with weekday and zone. Cost: one query."""
    price, currency = raffle.ticket_price, raffle.currency
    yield "Title", raffle.title
    yield "Web address", raffle.slug
    yield "Price per ticket", as_text(price, currency)
    yield "Tickets", f"{raffle.capacity:,}: {as_text(price * raffle.capacity, currency)} if all are sold"
    yield "Tickets per person at most", f"{min(raffle.max_per_person, raffle.capacity):,}"
    least = f"{raffle.min_tickets:,}: if fewer are sold, everyone is refunded and there is no draw"
    yield "Minimum tickets", least if raffle.min_tickets else "None: the draw is held however few are sold"
    at_once = raffle.opens_at <= now
    opens = f"Immediately: {moment(raffle.opens_at)} has passed" if at_once else moment(raffle.opens_at)
    yield "On sale from", opens if at_once else f"{opens}, {span(raffle.opens_at - now)} from now"
    on_sale = raffle.closes_at - max(raffle.opens_at, now)
    closes = f"{moment(raffle.closes_at)}, {span(on_sale)} on sale"
    yield "On sale until", closes if on_sale > timedelta() else f"{moment(raffle.closes_at)}, which has passed"
    yield "Entry conditions", raffle.conditions or "None yet"
    route = raffle.free_route
    yield (
        "Free entry by post",
        f"{route['instructions']}\nLetters count until {moment(route['until'])}." if route else "None",
    )
    within = span(timedelta(seconds=raffle.commit_within_seconds))
    yield "Entries are fixed within", f"{within} after the end of the sale; later everyone is refunded"
    yield "Wait before the draw", f"{span(timedelta(seconds=raffle.delay_seconds))} after the entries are fixed"
    for prize in raffle.prizes.all():
        worth = "" if prize.retail_value is None else f", worth {as_text(prize.retail_value, currency)}"
        cash = "" if prize.cash_alternative is None else f", or {as_text(prize.cash_alternative, currency)} in cash"
        yield f"Prize {prize.position}", f"{prize.name}{worth}{cash}"
    yield "Time to claim a prize", span(timedelta(seconds=raffle.claim_seconds))
    yield "Reserve winners", str(raffle.alternates) if raffle.alternates else "None"
    yield "Question", raffle.question or "None"
    if raffle.question:
        yield "Answers to choose from", " | ".join(raffle.choices) or "None: buyers type their answer"
        yield "Right answer", raffle.answer


def digest(raffle: Raffle) -> str:
    """Return a digest of all terms and prizes, which proves that agreed terms have not changed. Cost: one query."""
    terms = [repr(getattr(raffle, name)) for name in Raffle.TERMS]
    prizes = raffle.prizes.values_list("position", "name", "description", "retail_value", "cash_alternative")
    return hashlib.sha256(repr((terms, list(prizes))).encode()).hexdigest()


def moment(at: datetime) -> str:
    """Format as `Tuesday 1 December 2026, 09:00 UTC`."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'l j F Y, H:i')} {local:%Z}"
