"""Purchases while the payment provider is slow."""

import threading
from types import TracebackType
from typing import Self

import psycopg

from dev.bench import shop
from dev.bench.ground import Ground, number
from dev.bench.load import CONNECTIONS
from dev.bench.registry import BenchError, Figure, measurement

ROUNDS, SECONDS = 3, 5
DELAY = 0.3  # seconds from the call to the provider's answer
BUYING = 128  # connections that buy at once: as many as the two processes let buy
MOST_CONNECTIONS = 20  # to the database: two processes with a pool of ten each
LOOK_SECONDS = 0.02
USED = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND application_name <> 'bench'
"""


class Connections:
    """Watch, while entered, how many clients a database has."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.highest = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        with psycopg.connect(self.database, application_name="bench", autocommit=True) as connection:
            while not self._over.wait(LOOK_SECONDS):
                row = connection.execute(USED).fetchone()
                self.highest = max(self.highest, row[0] if row else 0)


@measurement(unit="creates/s")
def create_slow_provider(ground: Ground) -> Figure:
    """POST purchases/create by 128 connections while the provider takes 300 ms, beside the same with one that answers
    at once: the ratio is what a slow provider leaves of the speed. The slow side may use 20 database connections.

    The product is to do at least 150 a second. A database of its own, so that only this server's connections count.
    """
    buying = CONNECTIONS if ground.is_smallest else BUYING
    database = ground.spare_database("slow_provider")
    environment = {"DATABASE_URL": database, "STRIPE_API_BASE": shop.provider(ground, DELAY)}
    raffle = ground.run_product("dev.bench.product.seed", "raffle", environment={"DATABASE_URL": database})
    server = ground.another_server("server-slow-provider", environment)
    slow = shop.purchases(ground, server, raffle, database, connections=buying)
    instant = shop.purchases(ground, shop.instant_server(ground), shop.raffle(ground), connections=buying)
    with Connections(database) as connections:
        samples = ground.alternate(slow.rate, instant.rate, rounds=ROUNDS, seconds=SECONDS)
    if connections.highest > MOST_CONNECTIONS:
        raise BenchError(f"the server used {connections.highest} database connections, not {MOST_CONNECTIONS} at most")
    if (held := number(database, shop.HELD, raffle)) < slow.answered:
        raise BenchError(f"{slow.answered} purchases were answered, but the database holds {held}")
    note = f"{connections.highest} database connections at most, with the slow provider"
    return Figure(*samples, note=f"{note}; slow {slow.latency}, instant {instant.latency}")
