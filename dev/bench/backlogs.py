"""Backlogs worked off by one process in flat memory: paid events, and refunds of a cancelled raffle."""

import json
from collections.abc import Sequence
from typing import Any

from dev.bench import shop
from dev.bench.ground import Ground, Size
from dev.bench.registry import BenchError, Figure, measurement

# Most growth of a process after its warm-up: nothing is kept of finished work.
GROWTH_MB = 20
# Purchases of the warm-up and of each round, which need a raffle each; with --full the last of the list.
SETTLE = {Size.SMALLEST: [3, 3], Size.USUAL: [100, 300, 300, 300], Size.FULL: [10_000, 30_000, 30_000, 30_000]}
REFUND = {Size.SMALLEST: [3, 3], Size.USUAL: [100, 300, 300, 300], Size.FULL: [1_000, 10_000, 10_000, 10_000]}
SEED_SECONDS, WORK_SECONDS = 900, 14_400


@measurement(unit="events/s")
def settle_events(ground: Ground) -> Figure:
    """Paid events settled by one process, by the task that the webhook enqueues for each (1,000 events, with --full
    100,000), beside psycopg alone making the same writes, one transaction an event, in the same process.

    The product asks the provider, which answers at once, about each; psycopg asks nobody. Mails and dj-stripe's copies
    are enqueued and not made. What a webhook takes until then (signature, dj-stripe's event) and the queue's own work
    are not in it. Fails if memory is not flat, or if the two sides left different books.
    """
    return _worked_off(ground, "settle", "open", SETTLE[ground.size])


@measurement(unit="events/s")
def settle_leaves(ground: Ground) -> Figure:
    """Paid events settled as in settle_events, beside the same with the trigger off that writes the log's leaves.

    A ratio of 0.95 means that leaves cost 5 %.
    """
    return _worked_off(ground, "leaves", "open", SETTLE[ground.size], yardstick="without leaves")


@measurement(unit="refunds/s")
def refund_batch(ground: Ground) -> Figure:
    """Purchases of a cancelled raffle refunded by one process, from the raffle's task to the last refund's (300 of a
    raffle, with --full 10,000), beside psycopg alone making the same writes in the same transactions.

    The rest is as in settle_events.
    """
    return _worked_off(ground, "refund", "paid", REFUND[ground.size])


def _worked_off(
    ground: Ground, kind: str, state: str, sizes: list[int], *, yardstick: str = "by psycopg alone"
) -> Figure:
    environment = {"DATABASE_URL": ground.spare_database(kind), "STRIPE_API_BASE": shop.provider(ground)}
    pairs = [str(size) for size in sizes for _ in range(2)]
    made = ground.run_product("dev.bench.product.backlog", state, *pairs, environment=environment, seconds=SEED_SECONDS)
    arguments = (kind, json.dumps(made))
    found = ground.run_product("dev.bench.product.catch_up", *arguments, environment=environment, seconds=WORK_SECONDS)
    return in_flat_memory(found, sizes, yardstick)


def in_flat_memory(found: dict[str, Any], sizes: Sequence[int], yardstick: str) -> Figure:
    """Make the figure from what `dev.bench.product.catch_up` printed. Raises BenchError if the process grew."""
    early, late = found["memory"]
    ours, theirs = found["processor"]
    if late - early > GROWTH_MB:
        raise BenchError(f"memory is not flat: {early:.0f} MB after the warm-up, {late:.0f} MB at the end")
    note = f"{sum(sizes):,} in all, {early:.0f} MB resident after the first {sizes[0]:,}, {late:.0f} MB at the end"
    note += f"; {ours:.1f} ms of processor time each, {theirs:.1f} ms {yardstick}"
    return Figure(found["values"], found["yardsticks"], note=note)
