"""Read, hold, settle and list one's own purchases while the database grows: the product's side of `dev.bench.scale`.

`python -m dev.bench.product.growth 100 1000 100000` fills an empty database up to each number of paid purchases in
turn, and at each measures every operation so many times (the first argument). Prints, by operation, a list of samples
for each size: {"rate" (a second), "p50", "p99" (milliseconds)}. The server itself writes the rows (generate_series),
without our triggers, and the log's leaves.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready

SAMPLES, OK = 3, 200
PAGE = 20  # raffles that are there from the beginning, so that pages are full at every size
PART = 500_000  # rows a transaction, so that what the server writes ahead stays small
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
LEAVES = """
    INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at, hash, index)
    SELECT raffle_id, entry_id, 1, first_ticket, quantity, holder, floor(extract(epoch FROM paid_at)),
        sha256(uuid_send(entry_id)), first_ticket - 1
    FROM purchases_purchase WHERE raffle_id = %(raffle)s AND first_ticket BETWEEN %(first)s AND %(last)s
"""


def grow(raffle_id: Any, first: int, last: int) -> None:
    """Add paid purchases with these numbers, like the one numbered 1, and bring the statistics up to date."""
    from django.db import connection, transaction

    from purchases.models import Payment, Purchase
    from raffles.models import TicketCounter

    tables = (Purchase._meta.db_table, Payment._meta.db_table, "verification_logleaf")  # noqa: SLF001
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        # Nobody else is there, and each row is like one that was checked.
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for start in range(first, last + 1, PART):
            numbered = {"first": start, "last": min(start + PART - 1, last)}
            with transaction.atomic():
                for model, others in ((Purchase, PURCHASE), (Payment, PAYMENT)):
                    columns = [str(field.column) for field in model._meta.concrete_fields]  # noqa: SLF001 Django's public name for it
                    values = ", ".join(others.get(column, f"one.{column}") for column in columns)
                    statement = GROW.format(table=model._meta.db_table, columns=", ".join(columns), values=values)  # noqa: SLF001
                    cursor.execute(statement, numbered | {"like": numbers.identifier(1)})
                cursor.execute(LEAVES, numbered | {"raffle": raffle_id})
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        TicketCounter.objects.filter(pk=raffle_id).update(sold=last)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


def samples_of(act: Callable[[int], object], times: int, first: int = 0) -> list[dict[str, float]]:
    """Call it so many times for each sample, with consecutive numbers; return the samples."""
    found = []
    for sample in range(SAMPLES):
        each = []
        for number in range(first + sample * times, first + (sample + 1) * times):
            started = time.perf_counter()
            act(number)
            each.append((time.perf_counter() - started) * 1000)
        each.sort()
        found.append({"rate": 1000 * times / sum(each), "p50": each[times // 2], "p99": each[int(times * 0.99)]})
    return found


def measure(times: int, turn: int) -> dict[str, list[dict[str, float]]]:
    """Measure each operation on the database as it is. `turn` keeps the numbers of one size from those of another."""
    from django.test import Client

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

    http = Client(SERVER_NAME="localhost")

    def read(path: str) -> Callable[[int], object]:
        def get(number: int) -> None:
            if (status := http.get(f"/api/v1/{path}").status_code) != OK:
                sys.exit(f"{path} answered {status}")

        return get

    return {
        "list": samples_of(read("raffles/list"), times),
        "detail": samples_of(read(f"raffles/{selling.pk}"), times),
        "draws": samples_of(read("verification/list"), times),
        "hold": samples_of(hold, times),
        "settle": samples_of(lambda number: tasks.sync_object(numbers.intent_id(number)), times, first),
        "own": samples_of(own, times),
    }


def run(times: int, sizes: list[int]) -> dict[str, list[list[dict[str, float]]]]:
    """Grow to each size and measure."""
    from dev.bench.product.backlog import fill, people
    from dev.bench.product.seed import publish
    from purchases.models import Purchase

    people()
    old = publish(0)
    fill(old.pk, 1, OWN, paid=True)
    for number in range(PAGE):
        publish(1_000 + number)
    Purchase.objects.filter(raffle=old).update(buyer=numbers.identifier(1))
    measure(times, 0)  # the first run of everything, which is not counted
    found: dict[str, list[list[dict[str, float]]]] = {}
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
