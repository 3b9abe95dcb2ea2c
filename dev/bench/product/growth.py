"""Hold, settle and list one's own purchases while the database grows: the product's side of `dev.bench.scale`.

`python -m dev.bench.product.growth 100 1000 100000` fills an empty database up to each number of paid purchases in
turn, and at each measures every operation so many times (the first argument). Prints rates per second, by operation: a
list of samples for each size. The server itself writes the rows (generate_series).
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready

SAMPLES = 3
OWN = 50  # purchases of the person who lists theirs, whatever the others have
# The first person's purchases are few and always as many; the rest belongs to the others.
GROW = """
    INSERT INTO {table} ({columns}) SELECT {values}
    FROM {table} AS one, generate_series(%(first)s, %(last)s) AS number WHERE one.id = %(like)s
"""
PURCHASE = {
    "id": "('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid",
    "entry_id": "gen_random_uuid()",
    "holder": "sha256(number::text::bytea)",
    "buyer_id": "('00000000-0000-7000-8000-' || lpad((number %% 999 + 2)::text, 12, '0'))::uuid",
    "first_ticket": "number",
    "idempotency_key": "'grown-' || number",
}
PAYMENT = {
    "id": PURCHASE["id"],
    "purchase_id": PURCHASE["id"],
    "intent_id": "'pi_' || lpad(number::text, 24, '0')",
    "client_secret": "'pi_' || number || '_secret'",
}


def grow(raffle_id: Any, first: int, last: int) -> None:
    """Add paid purchases with these numbers, like the one numbered 1, and bring the statistics up to date."""
    from django.db import connection

    from purchases.models import Payment, Purchase
    from raffles.models import TicketCounter

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for model, others in ((Purchase, PURCHASE), (Payment, PAYMENT)):
            columns = [str(field.column) for field in model._meta.concrete_fields]  # noqa: SLF001 Django's public name for it
            values = ", ".join(others.get(column, f"one.{column}") for column in columns)
            statement = GROW.format(table=model._meta.db_table, columns=", ".join(columns), values=values)  # noqa: SLF001
            cursor.execute(statement, {"first": first, "last": last, "like": numbers.identifier(1)})
        TicketCounter.objects.filter(pk=raffle_id).update(sold=last)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


def rates(act: Callable[[int], object], times: int, first: int = 0) -> list[float]:
    """Call it so many times for each sample, with consecutive numbers; return calls per second."""
    found = []
    for sample in range(SAMPLES):
        started = time.perf_counter()
        for number in range(first + sample * times, first + (sample + 1) * times):
            act(number)
        found.append(times / (time.perf_counter() - started))
    return found


def measure(times: int, turn: int) -> dict[str, list[float]]:
    """Measure each operation on the database as it is. `turn` keeps the numbers of one size from those of another."""
    from accounts.models import User
    from dev.bench.product.backlog import fill
    from dev.bench.product.seed import publish
    from luxewin.api.idempotency import IdempotencyKey
    from purchases import services, tasks
    from purchases.models import Purchase
    from purchases.serializers import shown

    people = {each: User.objects.get(pk=numbers.identifier(each)) for each in range(2, 102)}
    me, selling, arriving = User.objects.get(pk=numbers.identifier(1)), publish(10 * turn + 1), publish(10 * turn + 2)
    first = 10**9 + turn * 10**6
    fill(arriving.pk, first, SAMPLES * times, paid=False)

    def hold(number: int) -> None:
        key = IdempotencyKey(f"hold-{turn}-{number}", b"d" * 32)
        services.hold_tickets(buyer=people[number % 100 + 2], raffle_id=selling.pk, quantity=1, key=key)

    def own(number: int) -> None:
        for each in Purchase.objects.filter(buyer=me).for_display()[:20]:
            shown(each)

    return {
        "hold": rates(hold, times),
        "settle": rates(lambda number: tasks.sync_object(numbers.intent_id(number)), times, first),
        "own": rates(own, times),
    }


def run(times: int, sizes: list[int]) -> dict[str, list[list[float]]]:
    """Grow to each size and measure."""
    from dev.bench.product.backlog import fill, people
    from dev.bench.product.seed import publish
    from purchases.models import Purchase

    people()
    old = publish(0)
    fill(old.pk, 1, OWN, paid=True)
    Purchase.objects.filter(raffle=old).update(buyer=numbers.identifier(1))
    measure(times, 0)  # the first run of everything, which is not counted
    found: dict[str, list[list[float]]] = {}
    there = OWN
    for turn, size in enumerate(sizes, start=1):
        grow(old.pk, there + 1, size)
        there = size
        for name, samples in measure(times, turn).items():
            found.setdefault(name, []).append(samples)
    return found


if __name__ == "__main__":
    ready()
    wanted, *until = (int(each) for each in sys.argv[1:])
    print(json.dumps(run(wanted, until)))
