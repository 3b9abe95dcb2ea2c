"""The statement that holds tickets as a script for pgbench, from the product's own constant.

`python -m dev.bench.product.hold_script RAFFLE BUYERS` prints it: one ticket of the raffle for a random one of so many
buyers (of `dev.bench.product.seed`), with fresh ids and a fresh idempotency key each time.
"""

import json
import sys

from dev.bench.product.django_ready import ready

# In the order of the statement's placeholders, and of the same number.
VALUES = (
    "uuidv7()",
    "gen_random_uuid()",
    "uuidv7()",
    # The holder, and no nonce of the server's.
    "sha256(uuid_send(gen_random_uuid()))",
    "NULL",
    "'{raffle}'",
    "('00000000-0000-7000-8000-' || lpad(:buyer::text, 12, '0'))::uuid",
    "1",
    "gen_random_uuid()::text",
    "sha256('one ticket')",
    "NULL",
    "interval '{seconds} seconds'",
    "{live}",
    "NULL",
    "{age}",
    # Address and request id, for the audit.
    "'192.0.2.1'",
    "'bench'",
)


def script(raffle: str, buyers: int) -> str:
    """Return what pgbench runs as one transaction."""
    from django.conf import settings

    from purchases.services.holds import HOLD

    facts = {"raffle": raffle, "seconds": settings.HOLD_SECONDS, "live": str(settings.STRIPE_LIVE_MODE).lower()}
    facts["age"] = str(settings.MINIMUM_AGE)
    statement = HOLD % tuple(value.format_map(facts) for value in VALUES)
    return f"\\set buyer random(1, {buyers})\n{statement.strip()};\n"


if __name__ == "__main__":
    ready()
    print(json.dumps(script(sys.argv[1], int(sys.argv[2]))))
