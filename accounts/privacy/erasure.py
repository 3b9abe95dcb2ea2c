"""Registers for deletions: what blocks one, and what each app erases."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that must end before the person can be erased."""

    code: str
    detail: str
    about: str = ""


OBSTACLES: list[Callable[[User], Iterable[Obstacle]]] = []
ERASERS: list[Callable[[User], None]] = []


def obstacle(find: Callable[[User], Iterable[Obstacle]]) -> Callable[[User], Iterable[Obstacle]]:
    """Register a function that finds what blocks a person's deletion in its app."""
    OBSTACLES.append(find)
    return find


def eraser(erase: Callable[[User], None]) -> Callable[[User], None]:
    """Register a function that erases what names a person in its app, in the transaction of the deletion.

    It makes no network calls, leaves ledger and proofs as they are, and runs before the person's own row changes.
    """
    ERASERS.append(erase)
    return erase


def obstacles_of(user: User) -> list[dict[str, str]]:
    """Return everything that blocks the deletion, in all apps. Cost: a few queries per app."""
    return [asdict(each) for find in OBSTACLES for each in find(user)]
