"""Slugs of raffles: which words can be one."""

from uuid import UUID

# Words of the API's own: as a slug they would be the address of something else.
RESERVED = frozenset({"list", "create"})


def is_reserved(slug: str) -> bool:
    """A word of the API's own, or text that reads as an id: raffles are looked up by id first."""
    try:
        UUID(slug)
    except ValueError:
        return slug in RESERVED
    return True
