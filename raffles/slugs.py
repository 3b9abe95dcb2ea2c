"""Slugs of raffles: which words are allowed."""

from uuid import UUID

# Words of the API: as a slug they would be the address of something else.
RESERVED = frozenset({"list", "create", "categories"})


def is_reserved(slug: str) -> bool:
    """Whether it is a word of the API, or reads as an id: raffles are looked up by id first."""
    try:
        UUID(slug)
    except ValueError:
        return slug in RESERVED
    return True
