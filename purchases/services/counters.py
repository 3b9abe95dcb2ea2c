"""Tallies and ticket counters: each change is one statement, here or in the SQL function that holds tickets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, DateTimeField, Exists, F, Func, OuterRef, QuerySet

from purchases.models import PersonTally, Purchase
from raffles.models import Raffle, TicketCounter

# RETURNING saves a second query for the new row, which the ORM would make while the hot row is locked.
SELL = """
    UPDATE raffles_ticketcounter SET held = held - %(quantity)s, sold = sold + %(quantity)s WHERE raffle_id = %(raffle)s
    RETURNING sold - %(quantity)s + 1
"""
# One statement raises each tally or leaves it, and checks the limit on the locked row. Rows are locked in the order of
# their person ids, so that two callers never wait for each other.
RAISE_TALLIES = """
    INSERT INTO purchases_persontally AS tally (raffle_id, user_id, taken)
    SELECT %(raffle)s, wanted.person, wanted.quantity
    FROM unnest(%(people)s::uuid[], %(quantities)s::bigint[]) AS wanted(person, quantity)
    WHERE wanted.quantity <= %(limit)s ORDER BY wanted.person
    ON CONFLICT (raffle_id, user_id) DO UPDATE SET taken = tally.taken + EXCLUDED.taken
    WHERE tally.taken + EXCLUDED.taken <= %(limit)s
"""


class ClockTimestamp(Func):
    """The database's clock right now, not at the start of the statement, which may have waited for a lock."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def raise_tally(raffle: Raffle, user_id: UUID, quantity: int) -> bool:
    """Raise the person's ticket tally in this raffle; return False if that would pass the raffle's limit."""
    return raise_tallies(raffle, {user_id: quantity})


def raise_tallies(raffle: Raffle, quantities: Mapping[UUID, int]) -> bool:
    """Raise the tallies of several people, by person id; return False if anybody's limit would be passed.

    The other tallies are raised even then, so the caller must roll back. Cost: one statement.
    """
    values: dict[str, Any] = {
        "raffle": raffle.pk,
        "people": list(quantities),
        "quantities": list(quantities.values()),
        "limit": raffle.max_per_person,
    }
    with connection.cursor() as cursor:
        cursor.execute(RAISE_TALLIES, values)
        return cursor.rowcount == len(quantities)


def lock_purchase(purchase_id: UUID) -> Purchase:
    """Lock a purchase that exists after its buyer's tally, the order used everywhere. Cost: two statements."""
    return lock_purchases([purchase_id])[0]


def lock_purchases(purchase_ids: Sequence[UUID]) -> list[Purchase]:
    """Lock purchases of one raffle by their keys, after their buyers' tallies. Cost: two statements.

    Their raffle is not joined: after waiting for a lock, PostgreSQL returns the newest version of the locked row, but
    joined rows as it read them before.
    """
    bought = Purchase.objects.filter(pk__in=purchase_ids).order_by()
    of_people = {"raffle__in": bought.values("raffle"), "user__in": bought.values("buyer")}
    tallies = PersonTally.objects.select_for_update(no_key=True).filter(**of_people).order_by("raffle_id", "user_id")
    # By columns, because ordering by `raffle` would join its row and lock it too. Evaluated, so that they are locked
    # before the next statement.
    list(tallies.values_list("pk"))
    return list(Purchase.objects.select_for_update(no_key=True).filter(pk__in=purchase_ids).order_by("pk"))


def lower_tally(purchase: Purchase) -> None:
    """Subtract the purchase's tickets from its buyer's tally."""
    tallies = PersonTally.objects.filter(raffle=purchase.raffle_id, user=purchase.buyer_id)
    tallies.update(taken=F("taken") - purchase.quantity)


def _on_sale() -> Exists:
    """Whether the raffle is on sale by the clock. Its row needs no lock: dates never change after publishing."""
    now = ClockTimestamp()
    raffle = Raffle.objects.filter(
        pk=OuterRef("pk"), status=Raffle.Status.PUBLISHED, opens_at__lte=now, closes_at__gt=now
    )
    return Exists(raffle, output_field=BooleanField())


def _with_room(raffle_id: UUID, quantity: int) -> QuerySet[TicketCounter]:
    """Select the raffle's counter if the raffle is on sale and `quantity` tickets fit."""
    room = F("capacity") - F("held") - quantity
    return TicketCounter.objects.filter(_on_sale(), pk=raffle_id, selling=True, sold__lte=room)


def count_hold(raffle_id: UUID, quantity: int) -> bool:
    """Add to `held` if the raffle is on sale and the tickets fit; else return False. Lock the hot row."""
    return _with_room(raffle_id, quantity).update(held=F("held") + quantity) == 1


def count_release(raffle_id: UUID, quantity: int) -> None:
    """Put held tickets back on sale. Lock the hot row."""
    TicketCounter.objects.filter(pk=raffle_id).update(held=F("held") - quantity)


def count_sale(raffle_id: UUID, quantity: int) -> int:
    """Turn held tickets into sold ones and return the first number given. Lock the hot row."""
    with connection.cursor() as cursor:
        cursor.execute(SELL, {"raffle": raffle_id, "quantity": quantity})
        return cursor.fetchone()[0]


def count_free(raffle_id: UUID, quantity: int) -> int | None:
    """Add to `sold` and `postal`, and return the first number given; None if not on sale or the tickets do not fit.

    Lock the hot row.
    """
    if not _with_room(raffle_id, quantity).update(sold=F("sold") + quantity, postal=F("postal") + quantity):
        return None
    return TicketCounter.objects.values_list("sold", flat=True).get(pk=raffle_id) - quantity + 1
