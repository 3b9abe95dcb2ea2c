"""Embedded services that stand in for the outside parties, on a laptop, in tests and in the demo. Not in production.

Nothing here imports Django or an app, and no app imports anything here. A part speaks the outside party's own protocol,
and environment variables tell the product its address, so that the product runs the same code everywhere.
"""

from dev.services.errors import ServiceError, StateInUseError
from dev.services.processes import ManagedProcess
from dev.services.supervisor import SERVICES, Supervisor, attached, erase, running, unset_services

__all__ = [
    "SERVICES",
    "ManagedProcess",
    "ServiceError",
    "StateInUseError",
    "Supervisor",
    "attached",
    "erase",
    "running",
    "unset_services",
]
