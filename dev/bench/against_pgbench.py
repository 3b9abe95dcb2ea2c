"""Holds over HTTP beside pgbench running the product's own statement, on the same raffle."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dev.bench import shop
from dev.bench.ground import Ground, number
from dev.bench.load import CONNECTIONS
from dev.bench.registry import BenchError, Figure, measurement
from dev.services import postgres

ROUNDS, SECONDS = 5, 3
REPORT = re.compile(r"number of transactions actually processed: (\d+).*^tps = ([\d.]+)", re.DOTALL | re.MULTILINE)


@dataclass
class Pgbench:
    """A script that as many clients as HTTP has repeat, prepared, which is the fastest that the database can do."""

    database: str
    script: str
    #: Transactions committed so far.
    done: int = 0

    def rate(self, seconds: float) -> float:
        """Measure transactions per second over whole seconds. Raises BenchError if a single one failed."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "script.sql")
            file.write_text(self.script)
            argv = [str(postgres.binary("pgbench")), "--no-vacuum", "--protocol=prepared", f"--client={CONNECTIONS}"]
            argv += [f"--time={round(seconds)}", f"--file={file}", self.database]
            ended = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60, check=False)
        found = REPORT.search(ended.stdout)
        if ended.returncode or not found:
            raise BenchError(f"pgbench failed: {(ended.stderr or ended.stdout).strip()[-1000:]}")
        self.done += int(found[1])
        return float(found[2])


@measurement(unit="holds/s")
def hold_vs_pgbench(ground: Ground) -> Figure:
    """POST purchases/create as in hold_vs_peer, beside pgbench running the same statement that holds, with as many
    clients, for the same buyers on the same raffle: the ratio is the share of what the database alone can do.

    The product's side makes and stores a PaymentIntent besides, a second statement, which pgbench does not.
    """
    raffle, database = shop.raffle(ground), ground.database()
    product = shop.purchases(ground, shop.instant_server(ground), raffle)
    pgbench = Pgbench(database, ground.run_product("dev.bench.product.hold_script", raffle, str(shop.BUYERS)))
    before = number(database, shop.HELD, raffle)
    samples = ground.alternate(product.rate, pgbench.rate, rounds=ROUNDS, seconds=SECONDS)
    figure = Figure(*samples, note=product.latency)
    written = number(database, shop.HELD, raffle) - before
    if written < product.answered + pgbench.done:
        raise BenchError(f"{product.answered} + {pgbench.done} holds were answered, but the database has {written}")
    return figure
