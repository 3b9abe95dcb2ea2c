"""Draws that were held, for tests of what comes after: nobody waits for a beacon."""

from accounts.models import User
from purchases.tests.stage import seated
from raffles import services
from raffles.models import Raffle
from verification.models import Draw, Pick
from verification.services.outcomes import award_prizes

from .drawing import put_in_state


def held(raffle: Raffle, *buyers: User) -> list[Pick]:
    """The picks of a draw in which the buyers' tickets were picked in this order."""
    prizes = list(raffle.prizes.all())
    purchases = [seated(buyer, raffle) for buyer in buyers]
    services.mark_frozen(raffle.pk)
    put_in_state(raffle, Draw.State.DRAWN)
    for position, purchase in enumerate(purchases, start=1):
        Pick.objects.create(
            draw=raffle.draw,
            position=position,
            prize=prizes[position - 1] if position <= len(prizes) else None,
            index=position - 1,
            ticket=purchase.first_ticket,
            purchase=purchase,
            path=[],
        )
    services.mark_drawn(raffle.pk)
    award_prizes(raffle.draw)
    return picks_of(raffle)


def picks_of(raffle: Raffle) -> list[Pick]:
    """As they are now, in order."""
    return list(raffle.draw.picks.select_related("forfeit", "award__prize", "purchase__buyer").order_by("position"))
