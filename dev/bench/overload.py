"""More requests than can be served."""

from statistics import median

from dev.bench import shop
from dev.bench.ground import Ground, number
from dev.bench.registry import BenchError, Figure, measurement

ROUNDS, SECONDS = 3, 6
TIMES = 5  # what is offered, beside what can be served
CROWD = 1_024  # connections: far more than the server works on and lets wait


@measurement(unit="creates/s")
def overload(ground: Ground) -> Figure:
    """POST purchases/create while five times as many requests come as can be served, beside the same server with 16
    connections, its best: the ratio is what a rush leaves of the speed. What is refused (503) does not count.

    The provider answers at once. Fails if an answer was lost, or one was given of which the database knows nothing.
    """
    server, raffle = shop.instant_server(ground), shop.raffle(ground)
    calm = shop.purchases(ground, server, raffle)
    crowd = shop.purchases(ground, server, raffle, connections=64 if ground.is_smallest else CROWD)
    before = number(ground.database(), shop.HELD, raffle)
    best = [calm.rate(1 if ground.is_smallest else SECONDS)]

    def calmly(seconds: float) -> float:
        best.append(calm.rate(seconds))
        return best[-1]

    def crowded(seconds: float) -> float:
        return crowd.goodput(seconds, offered=TIMES * median(best))

    samples = ground.alternate(crowded, calmly, rounds=ROUNDS, seconds=SECONDS)
    held = number(ground.database(), shop.HELD, raffle) - before
    if held < calm.answered + crowd.answered:
        raise BenchError(f"{calm.answered + crowd.answered} purchases were answered, but the database holds {held}")
    times = f"calm {calm.latency}, rush {crowd.latency}"
    return Figure(*samples, note=f"{crowd.refused:.0%} of the rush refused; {times} (refusals included)")
