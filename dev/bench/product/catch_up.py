"""Work a backlog off in one process, by the product's own tasks and by `bare`, raffle by raffle in turn.

`python -m dev.bench.product.catch_up settle RAFFLES`, or `refund`, with what `dev.bench.product.backlog` printed: pairs
of raffles of one size, one for each side. `leaves` has the product settle both, one of them without the leaf of the log
that a paid entry gets. The first pair is the warm-up. Prints the rates per second of both, the processor time (in ms)
that this process took per purchase on either side, and the peak resident memory (in MB) after the warm-up and at the
end. Enqueued tasks stay in the queue: no worker runs on this database, so dj-stripe's records (`services.mirror_batch`)
and mails are not part of it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import batched
from typing import Any

from dev.bench.product import numbers
from dev.bench.product.bare import Bare
from dev.bench.product.django_ready import ready

MEGABYTE = 1_000_000


@dataclass
class Memory:
    """Resident memory of this process."""

    highest: float = 0.0

    def __post_init__(self) -> None:
        import psutil

        self._process = psutil.Process()

    def look(self) -> None:
        """Read the resident memory. Cost: about 20 µs."""
        self.highest = max(self.highest, self._process.memory_info().rss / MEGABYTE)


def settle(backlog: dict[str, Any], memory: Memory) -> None:
    """Do what the queue does after each event: look at its intent."""
    from purchases import tasks

    for number in range(backlog["first"], backlog["first"] + backlog["size"]):
        tasks.sync_object(numbers.intent_id(number))
        memory.look()


def refund(backlog: dict[str, Any], memory: Memory) -> None:
    """Do what the queue does after a raffle was cancelled: its task, and one per refund that the sweep finds."""
    from purchases import tasks
    from purchases.models import Refund

    tasks.refund_raffle(backlog["raffle"])
    memory.look()
    opened = Refund.objects.filter(payment__purchase__raffle=backlog["raffle"]).values_list("pk", flat=True)
    for each in opened.iterator(chunk_size=200):
        tasks.execute_refund(str(each))
        memory.look()


def bare(kind: str, backlog: dict[str, Any]) -> None:
    """Work the backlog off by psycopg alone, as the yardstick."""
    from django_q.models import OrmQ

    from raffles.models import Raffle

    payload = OrmQ.objects.values_list("payload", flat=True).latest("pk")
    title = Raffle.objects.values_list("title", flat=True).get(pk=backlog["raffle"])
    with closing(Bare(os.environ["DATABASE_URL"], backlog["raffle"], title, payload)) as yardstick:
        if kind == "refund":
            yardstick.refund(backlog["first"], backlog["size"])
            return
        for number in range(backlog["first"], backlog["first"] + backlog["size"]):
            yardstick.settle(number)


def settle_without_leaves(backlog: dict[str, Any], memory: Memory) -> None:
    """Settle while the trigger that writes the log's leaves is off."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE purchases_purchase DISABLE TRIGGER entries_are_logged")
        try:
            settle(backlog, memory)
        finally:
            cursor.execute("ALTER TABLE purchases_purchase ENABLE TRIGGER entries_are_logged")


def sides_of(kind: str, memory: Memory) -> tuple[Callable[[dict[str, Any]], None], Callable[[dict[str, Any]], None]]:
    """Return what works off one raffle of each pair, and what works off the other as its yardstick."""
    if kind == "leaves":
        return partial(settle, memory=memory), partial(settle_without_leaves, memory=memory)
    return partial({"settle": settle, "refund": refund}[kind], memory=memory), partial(bare, kind)


def books(raffle_id: str) -> dict[str, object]:
    """Return the final state of a raffle's backlog, which must be the same on both sides."""
    from django.db.models import CharField, Count
    from django.db.models.fields.json import KT
    from django.db.models.functions import Cast

    from accounts.models import Notification
    from luxewin.audit.models import AuditEntry
    from purchases.models import Payment, Purchase, Refund
    from raffles.models import Raffle

    def by_status(rows: Any) -> dict[str, int]:
        return dict(rows.order_by().values_list("status").annotate(Count("pk")))

    raffle = Raffle.objects.get(pk=raffle_id)
    purchases = Purchase.objects.filter(raffle=raffle)
    names = purchases.annotate(name=Cast("pk", CharField())).values("name")
    succeeded = AuditEntry.objects.filter(action="payment.succeeded").annotate(purchase=KT("after__purchase"))
    return {
        "counter": Raffle.objects.values_list("counter__held", "counter__sold").get(pk=raffle_id),
        "tickets": purchases.aggregate(Count("first_ticket", distinct=True)),
        "purchases": by_status(purchases),
        "payments": by_status(Payment.objects.filter(purchase__raffle=raffle)),
        "refunds": by_status(Refund.objects.filter(payment__purchase__raffle=raffle)),
        "audit": AuditEntry.objects.filter(subject_type="purchase", subject_id__in=names).count(),
        "audit of payments": succeeded.filter(purchase__in=names).count(),
        "notifications": Notification.objects.filter(context__raffle=raffle.title).count(),
    }


def work_off(kind: str, backlogs: list[dict[str, Any]]) -> dict[str, Any]:
    """Work pairs off, each side first in turn. End the process if the two sides left different books."""
    memory = Memory()
    sides = sides_of(kind, memory)
    rates: tuple[list[float], list[float]] = ([], [])
    resident, busy = [], [0.0, 0.0]
    for turn, pair in enumerate(batched(backlogs, 2, strict=True)):
        # Whoever goes first has the older raffle: the product takes waiting events in their order, in batches.
        for backlog, side in zip(pair, (0, 1) if turn % 2 == 0 else (1, 0), strict=True):
            started, idle = time.perf_counter(), time.process_time()
            sides[side](backlog)
            rates[side].append(backlog["size"] / (time.perf_counter() - started))
            busy[side] += time.process_time() - idle
        resident.append(memory.highest)
    for older, newer in batched(backlogs, 2, strict=True):
        if (left := books(older["raffle"])) != (expected := books(newer["raffle"])):
            sys.exit(f"one side left {left}, the other {expected}")
    each = [seconds * 2_000 / sum(backlog["size"] for backlog in backlogs) for seconds in busy]
    return {
        "values": rates[0][1:],
        "yardsticks": rates[1][1:],
        "processor": each,
        "memory": [resident[0], resident[-1]],
    }


if __name__ == "__main__":
    ready()
    print(json.dumps(work_off(sys.argv[1], json.loads(sys.argv[2]))))
