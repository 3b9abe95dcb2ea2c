"""What deleting a person needs of each room: what stands in its way, and what is taken away."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that must end before the person can be forgotten."""

    code: str
    detail: str
    about: str = ""


OBSTACLES: list[Callable[[User], Iterable[Obstacle]]] = []
ERASERS: list[Callable[[User], None]] = []


def obstacle(find: Callable[[User], Iterable[Obstacle]]) -> Callable[[User], Iterable[Obstacle]]:
    """Registers a function that finds what stands in the way of a person's deletion in its room."""
    OBSTACLES.append(find)
    return find


def eraser(erase: Callable[[User], None]) -> Callable[[User], None]:
    """Registers a function that takes away what names a person in its room, in the transaction of the deletion.

    It asks nobody outside, leaves ledger and proofs as they are, and runs before the person's own row changes.
    """
    ERASERS.append(erase)
    return erase


def obstacles_of(user: User) -> list[dict[str, str]]:
    """All that stands in the way, in every room. Cost: a few queries a room."""
    return [asdict(each) for find in OBSTACLES for each in find(user)]
