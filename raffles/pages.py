"""The page of a raffle, to which mailed links lead while no front end is configured."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from luxewin.api.problems import refuse
from luxewin.money import as_text
from luxewin.pages import page
from raffles.models import Raffle
from raffles.phases import Phase


@page()
def raffle(request: HttpRequest, raffle: str) -> HttpResponse:
    """Show the offer, its terms and the state of the sale, by id or slug; no drafts. Cost: two queries."""
    found = Raffle.objects.public().for_display().named(raffle).first()
    if found is None:
        return refuse(request, 404, "not_found", "There is no raffle at this address.")
    counter = found.counter
    context = {
        "raffle": found,
        "phase": Phase(found.phase).label,
        "price": as_text(found.ticket_price, found.currency),
        "left": counter.capacity - counter.sold - counter.held,
    }
    return render(request, "raffles/raffle.html", context)
