"""People with a ticket each, who are to be told of a draw.

`python -m dev.bench.product.told people 100000` makes them, their raffle and their paid purchases, and prints the
raffle. `… tell RAFFLE 3` has the product tell them of its draw, by the task that does it after a draw, so many times
beside psycopg alone writing the same rows: it prints seconds of both, and this process's peak resident memory (in MB)
in the first tenth and in all of the product's last time. `… queue 2000` leaves only so many mails, none of them sent,
and `… left` prints how many are in which state. No worker may run on the database, except for `left`.
"""

import json
import os
import sys
import threading
import time
from contextlib import closing
from typing import Any
from uuid import UUID

from dev.bench.product import numbers
from dev.bench.product.django_ready import ready
from dev.bench.product.seed import buyers, publish

MEGABYTE = 1_000_000
BATCH = 1_000
# Rows like the first one's, in its columns, whichever they are.
USERS = """
    INSERT INTO accounts_user SELECT (jsonb_populate_record(person, jsonb_build_object(
        'id', '00000000-0000-7000-8000-' || lpad(number::text, 12, '0'),
        'email', 'bench-' || number || '@example.com', 'mailbox', 'bench-' || number || '@example.com'))).*
    FROM accounts_user AS person, generate_series(2, %s) AS number WHERE person.id = %s
"""
PREFERENCES = """
    INSERT INTO accounts_preferences SELECT (jsonb_populate_record(first, jsonb_build_object('user_id', person.id))).*
    FROM accounts_preferences AS first, accounts_user AS person WHERE first.user_id = %s AND person.id <> first.user_id
"""
PURCHASES = """
    INSERT INTO purchases_purchase (id, entry_id, holder, raffle_id, buyer_id, route, quantity, amount, currency,
        status, first_ticket, idempotency_key, request_digest, expires_at, paid_at)
    SELECT uuidv7(), uuidv7(), sha256(uuid_send(id)), %s, id, 'card', 1, 500, 'gbp', 'paid',
        row_number() OVER (ORDER BY id), 'bench', '', now(), now()
    FROM accounts_user
"""
STATES = "SELECT status, count(*) FROM accounts_notification WHERE channel = 'email' GROUP BY status"


def people(count: int) -> str:
    """Make the people, their raffle and a paid purchase of each; return the raffle's id."""
    from django.db import connection

    buyers(1)
    raffle, first = publish(0), numbers.identifier(1)
    with connection.cursor() as cursor:
        for table in ("accounts_user", "accounts_preferences", "purchases_purchase"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # nosemgrep: sql-by-parameters
        cursor.execute(USERS, [count, first])
        cursor.execute(PREFERENCES, [first])
        cursor.execute(PURCHASES, [raffle.pk])
        for table in ("accounts_user", "accounts_preferences", "purchases_purchase"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")  # nosemgrep: sql-by-parameters
        cursor.execute("VACUUM ANALYZE")  # or the server would start it during a measurement
    return str(raffle.pk)


class Memory:
    """Read, while entered, the resident memory of this process: its highest in the first seconds, and in all."""

    def __init__(self, early: float) -> None:
        import psutil

        self._process, self._early, self._over = psutil.Process(), early, threading.Event()
        self._watch = threading.Thread(target=self._look)
        self.first = self.highest = 0.0

    def __enter__(self) -> "Memory":
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        started = time.monotonic()
        while not self._over.wait(0.02):
            self.highest = max(self.highest, self._process.memory_info().rss / MEGABYTE)
            if time.monotonic() - started <= self._early:
                self.first = self.highest


def tell(raffle_id: str, rounds: int) -> dict[str, Any]:
    """Tell everybody so many times, and have psycopg alone write the same rows as often."""
    from verification import announcements

    seconds: tuple[list[float], list[float]] = ([], [])
    memory = Memory(0)
    for _ in range(rounds):
        _forget()
        started = time.perf_counter()
        _bare(raffle_id)
        seconds[1].append(time.perf_counter() - started)
        _forget()
        memory = Memory(seconds[0][-1] / 10 if seconds[0] else 1)
        started = time.perf_counter()
        with memory:
            announcements.notify_entrants(raffle_id)
        seconds[0].append(time.perf_counter() - started)
    return {"values": seconds[0], "yardsticks": seconds[1], "memory": [memory.first, memory.highest]}


def _bare(raffle_id: str) -> None:
    """Write the rows that the product writes, by its statement, and look at nothing else."""
    import psycopg
    from django.conf import settings

    from accounts.notification_types import channels_of
    from accounts.notifications import WRITE
    from luxewin.ids import uuid7

    channels, context = channels_of("draw_lost"), json.dumps({"raffle": "Raffle 0", "raffle_id": raffle_id})
    assert not settings.NOVU_SECRET_KEY
    with closing(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)) as connection:
        found = connection.execute("SELECT buyer_id FROM purchases_purchase WHERE raffle_id = %s", [UUID(raffle_id)])
        while part := found.fetchmany(BATCH):
            rows = [
                (uuid7(), key, channel, "queued", f"draw_lost:{raffle_id}:{key}", context, None, False)
                for (key,) in part
                for channel in channels
            ]
            connection.execute(WRITE, ["draw_lost", *map(list, zip(*rows, strict=True))])


def _forget() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_notification")
        cursor.execute("DELETE FROM django_q_ormq")
        cursor.execute("VACUUM ANALYZE accounts_notification")


def queue(count: int) -> int:
    """Tell so many people; return how many mails wait."""
    from accounts.models import Notification, User
    from accounts.notifications import notify_all

    _forget()
    told = User.objects.order_by("pk")[:count]
    notify_all("draw_lost", ((each, "bench", {"raffle": "Raffle 0", "raffle_id": "1"}) for each in told.iterator()))
    return Notification.objects.mails().open().count()


def left() -> dict[str, int]:
    """Return how many mails are in which state."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(STATES)
        return dict(cursor.fetchall())


if __name__ == "__main__":
    ready()
    wanted, *arguments = sys.argv[1:]
    made = {
        "people": lambda: people(int(arguments[0])),
        "tell": lambda: tell(arguments[0], int(arguments[1])),
        "queue": lambda: queue(int(arguments[0])),
        "left": left,
    }
    print(json.dumps(made[wanted]()))
