"""The product's data for measurements, made through its own services, in the peer's numbers.

`python -m dev.bench.product.seed raffles 200` publishes so many open raffles, of the peer's title and description,
waits until the worker has come to rest, and prints the id of the first; `… seed raffle` publishes one, where no worker
is. `… seed buyers 600` prints an access token (good for ten minutes) for each of so many verified people whom Stripe
knows, as it does after a first purchase; the n-th has the id that `numbers.identifier` says, counted from 1.
"""

import json
import sys
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready

if TYPE_CHECKING:
    from raffles.models import Raffle

SETTLE_SECONDS = 240  # on a machine that is otherwise busy


def publish(number: int) -> "Raffle":
    """Publish an open raffle with room for all purchases."""
    from django.utils import timezone

    from raffles import services
    from raffles.models import MAX_TICKETS, Raffle

    now = timezone.now()
    raffle = services.create_raffle(
        title=f"Raffle {number}",
        description="A fine watch. " * 20,
        category=Raffle.Category.WATCH,
        ticket_price=numbers.PRICE,
        currency=numbers.CURRENCY,
        capacity=MAX_TICKETS,
        max_per_person=MAX_TICKETS,
        opens_at=now,
        closes_at=now + timedelta(days=1 + number),
        conditions="For measurements.",
        delay_seconds=numbers.DELAY,
        prizes=[{"name": "The watch"}],
    )
    return services.publish_raffle(raffle.pk)


def raffles(count: int) -> str:
    """Publish raffles, and wait until the worker has done what follows."""
    from django_q.models import OrmQ

    made = [publish(number) for number in range(count)]
    deadline = time.monotonic() + SETTLE_SECONDS
    while OrmQ.objects.exists():
        if time.monotonic() > deadline:
            sys.exit(f"the worker has not come to rest after {SETTLE_SECONDS} s")
        time.sleep(0.2)
    return str(made[0].pk)


def buyers(count: int) -> list[str]:
    """Create buyers and return their access tokens, without passwords, whose hashing is slow on purpose."""
    from django.utils import timezone

    from accounts.models import Preferences, User
    from accounts.tokens import open_session
    from purchases import gateway

    tokens = []
    for number in range(1, count + 1):
        user = User.objects.filter(pk=numbers.identifier(number)).first()
        if user is None:
            user = User.objects.create_user(
                f"bench-{number}@example.com",
                id=numbers.identifier(number),
                display_name=f"Buyer {number}",
                date_of_birth=date(1990, 1, 1),
                country="GB",
                email_verified_at=timezone.now(),
            )
            Preferences.objects.create(user=user)
        gateway.customer_of(user)
        tokens.append(open_session(user, user_agent="bench").access)
    return tokens


if __name__ == "__main__":
    ready()
    wanted, *arguments = sys.argv[1:]
    made = {
        "raffles": lambda: raffles(int(arguments[0])),
        "raffle": lambda: str(publish(0).pk),
        "buyers": lambda: buyers(int(arguments[0])),
    }
    print(json.dumps(made[wanted]()))
