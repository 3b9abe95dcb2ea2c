"""The page of a raffle, to which mailed links lead while no front end is configured."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from luxewin.api.problems import refuse
from luxewin.money import as_text
from luxewin.pages import page
from raffles.durations import span
from raffles.models import Prize, Raffle
from raffles.phases import Phase


@page()
def raffle(request: HttpRequest, raffle: str) -> HttpResponse:
    """Show the offer, its terms and the state of the sale, by id or slug; no drafts. Cost: three queries."""
    found = Raffle.objects.public().in_full().named(raffle).first()
    if found is None:
        return refuse(request, 404, "not_found", "There is no raffle at this address.")
    counter = found.counter
    context = {
        "raffle": found,
        "prizes": [(prize, _in_cash(prize, found.currency)) for prize in found.prizes.all()],
        "claim": span(timedelta(seconds=found.claim_seconds)),
        "commit_within": span(timedelta(seconds=found.commit_within_seconds)),
        "phase": Phase(found.phase).label,
        "price": as_text(found.ticket_price, found.currency),
        "left": counter.capacity - counter.sold - counter.held,
    }
    return render(request, "raffles/raffle.html", context)


def _in_cash(prize: Prize, currency: str) -> str:
    return "" if prize.cash_alternative is None else as_text(prize.cash_alternative, currency)
