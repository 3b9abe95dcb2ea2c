"""The same work with ever more purchases in the database, in one process and without HTTP."""

from functools import cache
from statistics import median
from typing import Any

from dev.bench import shop
from dev.bench.ground import Ground, Size
from dev.bench.registry import Figure, measurement

# Purchases in the database; the last is compared with the first.
SIZES = {Size.SMALLEST: [60, 80], Size.USUAL: [1_000, 100_000], Size.FULL: [1_000, 100_000, 10_000_000]}
TIMES = {Size.SMALLEST: 2, Size.USUAL: 100, Size.FULL: 300}
SECONDS = {Size.SMALLEST: 600, Size.USUAL: 1_800, Size.FULL: 14_400}


@measurement(unit="pages/s")
def scale_list(ground: Ground) -> Figure:
    """A page of raffles, made anew, with 100,000 purchases in the database (with --full 10,000,000), beside 1,000."""
    return _figure(ground, "list")


@measurement(unit="pages/s")
def scale_detail(ground: Ground) -> Figure:
    """A raffle, made anew, in databases as in scale_list."""
    return _figure(ground, "detail")


@measurement(unit="pages/s")
def scale_draws(ground: Ground) -> Figure:
    """A page of draws, made anew, in databases as in scale_list."""
    return _figure(ground, "draws")


@measurement(unit="holds/s")
def scale_hold(ground: Ground) -> Figure:
    """Tickets held, in databases as in scale_list."""
    return _figure(ground, "hold")


@measurement(unit="events/s")
def scale_settle(ground: Ground) -> Figure:
    """Paid events settled by one process, in databases as in scale_list."""
    return _figure(ground, "settle")


@measurement(unit="pages/s")
def scale_own(ground: Ground) -> Figure:
    """A page of one's own purchases, of which there are 50, in databases as in scale_list."""
    return _figure(ground, "own")


@cache
def _grown(ground: Ground) -> Any:
    """Measure all of them in one database; it takes most of its time to fill it."""
    environment = {"DATABASE_URL": ground.spare_database("scale"), "STRIPE_API_BASE": shop.provider(ground)}
    environment |= {"RATELIMIT_ENABLE": "false"}
    sizes = [str(each) for each in (TIMES[ground.size], *SIZES[ground.size])]
    return ground.run_product("dev.bench.product.growth", *sizes, environment=environment, seconds=SECONDS[ground.size])


def _figure(ground: Ground, name: str) -> Figure:
    samples = _grown(ground)[name]
    by_size = zip(SIZES[ground.size], samples, strict=True)
    note = ", ".join(
        f"{size:,}: {max(each['rate'] for each in taken):.0f}/s"
        f" (p50 {median(each['p50'] for each in taken):.1f} ms, p99 {median(each['p99'] for each in taken):.1f} ms)"
        for size, taken in by_size
    )
    rates = [[each["rate"] for each in taken] for taken in samples]
    return Figure(rates[-1], rates[0], note=f"purchases in the database and the best rate, {note}")
