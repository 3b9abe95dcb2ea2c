"""The same work with ever more purchases in the database, in one process and without HTTP."""

from functools import cache
from typing import Any

from dev.bench import shop
from dev.bench.ground import Ground, Size
from dev.bench.registry import Figure, measurement

# Purchases in the database; the last is compared with the first.
SIZES = {Size.SMALLEST: [60, 80], Size.USUAL: [1_000, 100_000], Size.FULL: [1_000, 100_000, 10_000_000]}
TIMES = {Size.SMALLEST: 2, Size.USUAL: 100, Size.FULL: 300}
SECONDS = {Size.SMALLEST: 600, Size.USUAL: 1_800, Size.FULL: 14_400}


@measurement(unit="holds/s")
def scale_hold(ground: Ground) -> Figure:
    """Tickets held with 100,000 purchases in the database (with --full 10,000,000), beside the same with 1,000."""
    return _figure(ground, "hold")


@measurement(unit="events/s")
def scale_settle(ground: Ground) -> Figure:
    """Paid events settled by one process, in databases as in scale_hold."""
    return _figure(ground, "settle")


@measurement(unit="pages/s")
def scale_own(ground: Ground) -> Figure:
    """A page of one's own purchases, of which there are 50, in databases as in scale_hold."""
    return _figure(ground, "own")


@cache
def _grown(ground: Ground) -> Any:
    """Measure all three in one database; it takes most of its time to fill it."""
    environment = {"DATABASE_URL": ground.spare_database("scale"), "STRIPE_API_BASE": shop.provider(ground)}
    sizes = [str(each) for each in (TIMES[ground.size], *SIZES[ground.size])]
    return ground.run_product("dev.bench.product.growth", *sizes, environment=environment, seconds=SECONDS[ground.size])


def _figure(ground: Ground, name: str) -> Figure:
    samples = _grown(ground)[name]
    note = ", ".join(f"{size:,}: {max(rates):.0f}/s" for size, rates in zip(SIZES[ground.size], samples, strict=True))
    return Figure(samples[-1], samples[0], note=f"purchases in the database and the best rate, {note}")
