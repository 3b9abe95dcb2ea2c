"""The odds of some tickets, beside the facts that they follow from."""

from itertools import combinations

import pytest

from luxewin.tests.asking import assert_problem, client_of
from raffles import services
from raffles.models import TicketCounter
from raffles.odds import chance


def test_the_chance_is_the_share_of_draws_in_which_some_ticket_wins():
    for taking_part, prizes in ((5, 1), (6, 2), (6, 3), (4, 4)):
        draws = list(combinations(range(taking_part), prizes))
        for tickets in range(1, taking_part + 1):
            won = sum(min(picks) < tickets for picks in draws)
            assert chance(tickets, taking_part=taking_part, prizes=prizes) == pytest.approx(won / len(draws), rel=1e-5)
    # A draw of fewer tickets than prizes gives each one.
    assert chance(1, taking_part=2, prizes=5) == 1
    assert chance(3, taking_part=100_000_000, prizes=1) == 3e-08


def test_a_raffle_shows_the_odds_of_so_many_tickets(on_sale):
    raffle = on_sale(capacity=1_000, max_per_person=50, prizes=[{"name": "A watch"}, {"name": "Its strap"}])
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=90, held=100)

    def odds(query: str = "") -> dict:
        return client_of().get(f"/api/v1/raffles/{raffle.slug}{query}").json()["odds"]

    assert odds() == odds("?tickets=1") == odds("?tickets=") == {"tickets": 1, "now": 0.021978, "sold_out": 0.002}
    assert odds("?tickets=10") == {"tickets": 10, "now": 0.190909, "sold_out": 0.0199099}
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=900)
    # No more are sold than there are.
    assert odds("?tickets=50")["now"] == chance(50, taking_part=950, prizes=2)
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=990, held=0)
    assert odds("?tickets=50")["now"] == odds("?tickets=50")["sold_out"]
    services.cancel_raffle(raffle.pk, reason="A flood.")
    assert odds() is None


@pytest.mark.parametrize("tickets", ["0", "-1", "51", "1.5", "x", "%00", "9" * 40])
def test_the_odds_are_of_tickets_that_a_person_can_have(tickets, on_sale):
    raffle = on_sale(max_per_person=50, capacity=100)
    assert_problem(client_of().get(f"/api/v1/raffles/{raffle.pk}?tickets={tickets}"), 400, "invalid", {"tickets"})
