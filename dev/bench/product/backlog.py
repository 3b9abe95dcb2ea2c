"""Raffles whose purchases wait to be settled or refunded, written in bulk, for `dev.bench.product.catch_up`.

`python -m dev.bench.product.backlog open 100 300` makes two raffles with so many purchases of one ticket each, held and
with an intent that Stripe has news of; `paid` makes them paid, and then cancels the raffles. The database must be
empty. Prints the raffles. Purchases, payments, intents and people have consecutive numbers (`numbers`).
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import batched
from typing import Any

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready
from dev.bench.product.seed import publish

BATCH = 5_000


def people() -> None:
    """Create the buyers, known to Stripe."""
    from django.utils import timezone
    from djstripe.models import Customer

    from accounts.models import Preferences, User

    everybody = range(1, numbers.PEOPLE + 1)
    # Nothing keeps them from buying, or their money would go back.
    known = {"date_of_birth": date(1990, 1, 1), "country": "GB", "email_verified_at": timezone.now()}
    users = [
        User(id=numbers.identifier(each), email=f"bench-{each}@example.com", display_name=f"Buyer {each}", **known)
        for each in everybody
    ]
    User.objects.bulk_create(users)
    Preferences.objects.bulk_create(Preferences(user=user) for user in users)
    Customer.objects.bulk_create(
        Customer(id=numbers.customer_id(each), subscriber_id=numbers.identifier(each), livemode=False)
        for each in everybody
    )


def fill(raffle_id: Any, first: int, size: int, *, paid: bool) -> None:
    """Create purchases numbered from `first` on, and the raffle's counters; add a notice of each unless paid."""
    from django.utils import timezone

    from purchases.models import Payment, PersonTally, Purchase, StripeNotice
    from raffles.models import TicketCounter

    taken = Counter(numbers.person_of(each) for each in range(first, first + size))
    PersonTally.objects.bulk_create(
        PersonTally(raffle_id=raffle_id, user_id=numbers.identifier(person), taken=count)
        for person, count in taken.items()
    )
    TicketCounter.objects.filter(pk=raffle_id).update(held=0 if paid else size, sold=size if paid else 0)
    for part in batched(_purchases(raffle_id, first, size, paid=paid), BATCH, strict=False):
        Purchase.objects.bulk_create(part)
    status = Payment.Status.SUCCEEDED if paid else Payment.Status.OPEN
    for part in batched(range(first, first + size), BATCH, strict=False):
        Payment.objects.bulk_create(
            Payment(
                id=numbers.identifier(each),
                purchase_id=numbers.identifier(each),
                status=status,
                intent_id=numbers.intent_id(each),
                customer=numbers.customer_id(numbers.person_of(each)),
                client_secret=f"{numbers.intent_id(each)}_secret_bench",
            )
            for each in part
        )
        if not paid:
            StripeNotice.objects.bulk_create(
                StripeNotice(
                    object_id=numbers.intent_id(each), about=StripeNotice.About.INTENT, noted_at=timezone.now()
                )
                for each in part
            )


def _purchases(raffle_id: Any, first: int, size: int, *, paid: bool) -> Iterator[Any]:
    from django.utils import timezone

    from purchases.models import Purchase

    now = timezone.now()
    for ticket, number in enumerate(range(first, first + size), start=1):
        yield Purchase(
            id=numbers.identifier(number),
            raffle_id=raffle_id,
            buyer_id=numbers.identifier(numbers.person_of(number)),
            quantity=1,
            amount=numbers.PRICE,
            currency=numbers.CURRENCY,
            status=Purchase.Status.PAID if paid else Purchase.Status.PENDING,
            first_ticket=ticket if paid else None,
            paid_at=now if paid else None,
            idempotency_key=f"bench-{number}",
            request_digest=b"d" * 32,
            expires_at=now + timedelta(days=1),
        )


def make(sizes: list[int], *, paid: bool) -> list[dict[str, Any]]:
    """Make a raffle of each size; return each with the number of its first purchase."""
    from django.db import connection

    from raffles.services import cancel_raffle

    people()
    made: list[dict[str, Any]] = []
    first = 1
    for size in sizes:
        raffle = publish(len(made))
        fill(raffle.pk, first, size, paid=paid)
        if paid:
            cancel_raffle(raffle.pk, reason="The watch was stolen.")
        made.append({"raffle": str(raffle.pk), "first": first, "size": size})
        first += size
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # or the server would start it during a measurement
    return made


if __name__ == "__main__":
    ready()
    print(json.dumps(make([int(size) for size in sys.argv[2:]], paid=sys.argv[1] == "paid")))
