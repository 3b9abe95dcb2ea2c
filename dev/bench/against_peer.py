"""The product over HTTP beside the stack of the first draft (`dev/bench/peer`), on the same PostgreSQL.

Two server processes each, the same client with the same 16 connections, 200 open raffles each. The work is alike but
not equal, and where it differs the product does more: its raffles carry their prizes, tickets left, phase and dates,
its answers a request id and security headers; its purchases keep an idempotency key, a limit per person, a payment row
and a count of the person's requests, and pass the checks of a verified buyer.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dev.bench import shop, tools
from dev.bench.ground import PROCESSES, Ground, number
from dev.bench.load import Target
from dev.bench.registry import BenchError, Figure, measurement
from dev.services.processes import free_port

ROUNDS, SECONDS = 5, 3
PEER = Path(__file__).parent / "peer"
HELD_BY_PEER = "SELECT held FROM peer_raffle WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer, seeded and serving."""

    url: str
    database: str
    raffle: str
    token: str


@cache
def peer(ground: Ground) -> Peer:
    """Start the peer's server, with its access log off like the product's."""
    database, python, port = ground.database("peer"), tools.peer_python(), free_port()
    dsn = {"PEER_DSN": database.replace("postgres://", "postgresql+asyncpg://", 1)}
    facts = ground.run("peer-seed", [python, PEER / "seed.py"], dsn)
    server: list[str | Path] = [
        python,
        "-m",
        "uvicorn",
        "app:app",
        "--app-dir",
        PEER,
        "--workers",
        str(PROCESSES),
        "--no-access-log",
    ]
    url = ground.serve("peer", [*server, "--port", str(port)], port, "/api/v1/raffles/list", dsn)
    return Peer(url, database, **facts)


@measurement(unit="requests/s")
def list_vs_peer(ground: Ground) -> Figure:
    """GET raffles/list, a page of 20 of 200 open raffles, by anyone."""
    shop.raffle(ground)
    return compare(
        ground, Target(f"{ground.stack.url}/api/v1/raffles/list"), Target(f"{peer(ground).url}/api/v1/raffles/list")
    )


@measurement(unit="requests/s")
def detail_vs_peer(ground: Ground) -> Figure:
    """GET raffles/{id}, by anyone."""
    ours, theirs = f"{ground.stack.url}/api/v1/raffles/{shop.raffle(ground)}", peer(ground)
    return compare(ground, Target(ours), Target(f"{theirs.url}/api/v1/raffles/{theirs.raffle}"))


@measurement(unit="holds/s")
def hold_vs_peer(ground: Ground) -> Figure:
    """POST purchases/create, one ticket of one raffle: JWT, idempotency key, limits, all of it, and the call that makes
    the PaymentIntent, to a provider that answers at once.

    The peer takes no payment. So the product's figure carries the client's side of that call (the gateway, Stripe's
    library, storing the intent) but not a provider's: `create_vs_peer` has that.
    """
    return _hold(ground, shop.instant_server(ground))


@measurement(unit="holds/s")
def create_vs_peer(ground: Ground) -> Figure:
    """POST purchases/create as in hold_vs_peer, with the Stripe stand-in of `make run`, whose cost counts as ours."""
    return _hold(ground, ground.stack.url)


def _hold(ground: Ground, url: str) -> Figure:
    theirs, ours = peer(ground), shop.raffle(ground)
    product = shop.purchases(ground, url, ours)
    body = json.dumps({"raffle_id": theirs.raffle, "quantity": 1})
    yardstick = Target(f"{theirs.url}/api/v1/purchases/create", body, [theirs.token])
    books = (
        (product, ground.database(), shop.HELD, ours),
        (yardstick, theirs.database, HELD_BY_PEER, theirs.raffle),
    )
    before = [number(database, query, key) for _, database, query, key in books]
    figure = compare(ground, product, yardstick)
    for held, (target, database, query, key) in zip(before, books, strict=True):
        written = number(database, query, key) - held
        if written < target.answered:
            raise BenchError(f"{target.url} answered {target.answered} purchases, but its database holds {written}")
    return figure


def compare(ground: Ground, product: Target, yardstick: Target) -> Figure:
    """Measure two addresses in turn."""
    samples = ground.alternate(product.rate, yardstick.rate, rounds=ROUNDS, seconds=SECONDS)
    return Figure(*samples, note=f"{product.latency}; yardstick {yardstick.latency}")
