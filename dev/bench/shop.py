"""Shared by measurements of holds: the product's raffles, its buyers, and our own provider."""

import json
from functools import cache
from pathlib import Path

from dev.bench import tools
from dev.bench.ground import Ground
from dev.bench.load import Target
from dev.services.processes import free_port

# A person may send 120 purchases a minute. The limit stays on; BUYERS people stay below it up to 1,200 a second.
RAFFLES = 200  # as the peer has
BUYERS = 600
FEW = 20  # raffles, if the run only checks that measurements work
HELD = "SELECT held FROM raffles_ticketcounter WHERE raffle_id = %s"


@cache
def raffle(ground: Ground) -> str:
    """Make all raffles and return the id of the first."""
    return ground.run_product("dev.bench.product.seed", "raffles", str(FEW if ground.is_smallest else RAFFLES))


def purchases(ground: Ground, url: str, raffle_id: str, database: str = "", *, connections: int = 16) -> Target:
    """Return the target POST purchases/create: one ticket of the raffle, by buyers who have just signed in.

    `database` is the address of the server's database, if that is not the stack's.
    """
    environment = {"DATABASE_URL": database} if database else {}
    tokens = ground.run_product("dev.bench.product.seed", "buyers", str(BUYERS), environment=environment)
    body = json.dumps({"raffle": raffle_id, "quantity": 1})
    return Target(f"{url}/api/v1/purchases/create", body, tokens, connections=connections)


@cache
def provider(ground: Ground, delay: float = 0.0) -> str:
    """Start `dev.bench.product.provider`, which answers after `delay` seconds; return its address."""
    python, port = tools.peer_python(), free_port()
    argv: list[str | Path] = [python, "-m", "dev.bench.product.provider", "--port", str(port), "--delay", str(delay)]
    return ground.serve(f"provider-{delay}", argv, port, "/health")


@cache
def instant_server(ground: Ground) -> str:
    """Start a server on the stack's database, with the provider that answers at once; return its address."""
    return ground.another_server("server-instant-provider", {"STRIPE_API_BASE": provider(ground)})
