"""Parts room: real stand-ins for the outside parties, on a laptop, in tests and in the demo. Never in production.

Nothing here imports Django or an app, and no app imports anything here. A part speaks the outside party's own protocol
at an address that the product is given by environment variables, so that the product runs the same code everywhere.
"""

from luxewin.parts.errors import PartError, StateInUseError
from luxewin.parts.processes import Child
from luxewin.parts.supervisor import PARTS, Supervisor, attached, erase, running, unset_parts

__all__ = [
    "PARTS",
    "Child",
    "PartError",
    "StateInUseError",
    "Supervisor",
    "attached",
    "erase",
    "running",
    "unset_parts",
]
