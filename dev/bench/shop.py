"""What measurements of holds share: the product's raffles, its buyers, and a provider of ours."""

import json
from functools import cache
from pathlib import Path

from dev.bench import tools
from dev.bench.ground import Ground
from dev.bench.load import Target
from dev.services.processes import free_port

# A person may send 120 purchases a minute. The limit stays on; so many people stay below it at up to 1,200 a second.
RAFFLES = 200  # as the peer has
BUYERS = 600
FEW = 20  # of both, where it is only to be seen that measurements run
HELD = "SELECT held FROM raffles_ticketcounter WHERE raffle_id = %s"


@cache
def raffle(ground: Ground) -> str:
    """The id of the product's first raffle, after all were made."""
    return ground.run_product("dev.bench.product.seed", "raffles", str(FEW if ground.is_smallest else RAFFLES))


def buyers(ground: Ground) -> int:
    """How many people buy."""
    return FEW if ground.is_smallest else BUYERS


def purchases(ground: Ground, url: str, raffle_id: str, database: str = "", *, connections: int = 16) -> Target:
    """POST purchases/create of a server, one ticket of the raffle, by buyers who signed in just now.

    `database` is the address of the server's, if it is another than the stack's.
    """
    environment = {"DATABASE_URL": database} if database else {}
    tokens = ground.run_product("dev.bench.product.seed", "buyers", str(buyers(ground)), environment=environment)
    body = json.dumps({"raffle": raffle_id, "quantity": 1})
    return Target(f"{url}/api/v1/purchases/create", body, tokens, connections=connections)


@cache
def provider(ground: Ground, delay: float = 0.0) -> str:
    """The address of `dev.bench.product.provider`, which answers after so many seconds."""
    python, port = tools.peer_python(), free_port()
    argv: list[str | Path] = [python, "-m", "dev.bench.product.provider", "--port", str(port), "--delay", str(delay)]
    return ground.serve(f"provider-{delay}", argv, port, "/health")


@cache
def instant_server(ground: Ground) -> str:
    """The address of a server of the product on the stack's database, with the provider that answers at once."""
    return ground.another_server("server-instant-provider", {"STRIPE_API_BASE": provider(ground)})
