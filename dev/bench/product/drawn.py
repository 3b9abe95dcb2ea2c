"""A raffle that is sold out and drawn, its entries written in bulk.

`python -m dev.bench.product.drawn 100000` makes one with so many entries of 1 to 10 tickets, takes every step of its
draw, and prints its id. The beacon's next round must come soon, because this waits for it.
"""

import json
import sys
import time
from datetime import date, timedelta
from itertools import accumulate
from uuid import UUID, uuid4

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready

DRAW_SECONDS = 120
PRIZES = 10
ENTER = """
    INSERT INTO purchases_purchase (id, entry_id, raffle_id, buyer_id, route, quantity, amount, currency, status,
        first_ticket, idempotency_key, request_digest, expires_at, paid_at)
    SELECT uuidv7(), gen_random_uuid(), %s, %s, 'card', quantity, 0, %s, 'paid', first_ticket,
        gen_random_uuid(), '', now(), now()
    FROM unnest(%s::int[], %s::int[]) AS entry (first_ticket, quantity)
"""


def sold_out(entries: int) -> UUID:
    """Make a raffle with `entries` entries, its sale closed."""
    from django.utils import timezone

    from raffles import services
    from raffles.models import Raffle, TicketCounter
    from verification.services import sequence

    sizes = [1 + number % 10 for number in range(entries)]
    raffle = services.create_raffle(
        title=f"Drawn from {entries:,} entries",
        category=Raffle.Category.WATCH,
        ticket_price=numbers.PRICE,
        currency=numbers.CURRENCY,
        capacity=sum(sizes),
        max_per_person=sum(sizes),
        opens_at=timezone.now(),
        closes_at=timezone.now() + timedelta(days=1),
        conditions="For measurements.",
        delay_seconds=3,
        prizes=[{"name": f"Prize {number}"} for number in range(1, PRIZES + 1)],
    )
    services.publish_raffle(raffle.pk)
    _enter(raffle.pk, sizes)
    TicketCounter.objects.filter(pk=raffle.pk).update(sold=sum(sizes))
    # As the workers do during a sale: only what is left is for the freeze.
    sequence(raffle.pk)
    services.close_raffle(raffle.pk)
    return raffle.pk


def _enter(raffle_id: UUID, sizes: list[int]) -> None:
    """Create a paid purchase of each size, all of one person, without payments."""
    from django.db import connection

    from accounts.models import Preferences, User

    buyer = User(email=f"{uuid4()}@example.com", display_name="A Buyer", date_of_birth=date(1990, 1, 1), country="GB")
    buyer.set_unusable_password()
    buyer.save()
    Preferences.objects.create(user=buyer)
    first_tickets = list(accumulate(sizes, initial=1))[:-1]
    with connection.cursor() as cursor:
        cursor.execute(ENTER, [raffle_id, buyer.pk, numbers.CURRENCY, first_tickets, sizes])
        cursor.execute("VACUUM ANALYZE")  # or the server would start it during a measurement


def draw(raffle_id: UUID) -> None:
    """Take every step that is left."""
    from verification.models import Draw
    from verification.services import advance_draw

    deadline = time.monotonic() + DRAW_SECONDS
    while (found := advance_draw(raffle_id)).state != Draw.State.DRAWN:
        if time.monotonic() > deadline:
            sys.exit(f"the draw is {found.state} after {DRAW_SECONDS} s: {found.trouble}")
        time.sleep(0.2)


if __name__ == "__main__":
    ready()
    made = sold_out(int(sys.argv[1]))
    draw(made)
    sys.stdout.write(json.dumps(str(made)) + "\n")
