"""Bench room: the product's data for measurements, made through its own services, in the peer's numbers.

`python -m bench.product.seed raffles` publishes 200 open raffles, of the peer's title and description, and prints the
id of the first; `python -m bench.product.seed buyers 600` prints an access token (good for ten minutes) for each of so
many verified people whom Stripe knows, as it does after a first purchase.
"""

import json
import sys
import time
from datetime import date, timedelta

RAFFLES = 200
SETTLE_SECONDS = 60


def raffles() -> str:
    """Publishes them, and waits until the worker has done what follows from that."""
    from django.utils import timezone
    from django_q.models import OrmQ

    from raffles import services
    from raffles.models import MAX_TICKETS, Raffle

    now = timezone.now()
    made = []
    for i in range(RAFFLES):
        raffle = services.create_raffle(
            title=f"Raffle {i}",
            description="A fine watch. " * 20,
            category=Raffle.Category.WATCH,
            ticket_price=500,
            currency="gbp",
            capacity=MAX_TICKETS,
            max_per_person=MAX_TICKETS,
            opens_at=now,
            closes_at=now + timedelta(days=1 + i),
            delay_seconds=60,
            prizes=[{"name": "The watch"}],
        )
        made.append(services.publish_raffle(raffle.pk))
    deadline = time.monotonic() + SETTLE_SECONDS
    while OrmQ.objects.exists():
        if time.monotonic() > deadline:
            sys.exit(f"the worker has not come to rest after {SETTLE_SECONDS} s")
        time.sleep(0.2)
    return str(made[0].pk)


def buyers(count: int) -> list[str]:
    """Their access tokens. They sign in without a password: hashing one takes its time on purpose."""
    from django.utils import timezone

    from accounts.models import Preferences, User
    from accounts.tokens import open_session
    from purchases import gateway

    tokens = []
    for i in range(count):
        email = f"bench-{i}@example.com"
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(
                email,
                display_name=f"Buyer {i}",
                date_of_birth=date(1990, 1, 1),
                country="GB",
                email_verified_at=timezone.now(),
            )
            Preferences.objects.create(user=user)
        gateway.customer_of(user)
        tokens.append(open_session(user, user_agent="bench").access)
    return tokens


if __name__ == "__main__":
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "luxewin.settings"
    django.setup()
    print(json.dumps(raffles() if sys.argv[1] == "raffles" else buyers(int(sys.argv[2]))))
