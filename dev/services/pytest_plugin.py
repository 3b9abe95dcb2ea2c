"""The parts for a test run. Loaded by `-p dev.services.pytest_plugin`.

They start before any plugin reads Django's settings, keep their state in `.luxewin/test` (LUXEWIN_TEST_STATE names
another folder there) and stop with the run. Workers
of a distributed run inherit the environment and start nothing; each takes a Redis database of its own, since tests
empty it.
"""

import os
from collections.abc import Generator

import httpx
import pytest

from dev.services.errors import ServiceError, StateInUseError
from dev.services.processes import PROJECT
from dev.services.supervisor import Supervisor

# A second run beside the first takes the next folder.
_NAME = os.environ.get("LUXEWIN_TEST_STATE", "test")
STATES = tuple(PROJECT / ".luxewin" / name for name in (_NAME, f"{_NAME}-2", f"{_NAME}-3"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{worker.removeprefix('gw')}"
    else:
        supervisor = _supervisor()
        early_config.add_cleanup(lambda: supervisor.__exit__(None, None, None))
        os.environ.update(supervisor.environment)
        # Never of somebody's own account at Stripe.
        if "STRIPE_API_BASE" in supervisor.environment:
            _unregister_all()
    return (yield)


def _unregister_all() -> None:
    """Remove webhook endpoints of a killed run, to which Stripe would send, and resend, every event of this one."""
    address = f"{os.environ['STRIPE_API_BASE']}/v1/webhook_endpoints"
    with httpx.Client(auth=(os.environ["STRIPE_SECRET_KEY"], ""), timeout=60) as stripe:
        while left := stripe.get(address, params={"limit": 100}).raise_for_status().json()["data"]:
            for endpoint in left:
                stripe.delete(f"{address}/{endpoint['id']}").raise_for_status()


def _supervisor() -> Supervisor:
    refusal: ServiceError | None = None
    for state_dir in STATES:
        try:
            return Supervisor(state_dir, durable=False).__enter__()
        except StateInUseError as error:
            refusal = error
        except ServiceError as error:
            raise pytest.UsageError(str(error)) from error
    raise pytest.UsageError(str(refusal))
