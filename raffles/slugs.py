"""Slugs of raffles: how they are made, and which words are allowed."""

from uuid import UUID

import regex
from anyascii import anyascii
from django.utils.text import slugify

# Symbols and emoji would be spelt out.
SYMBOLS = regex.compile(r"\p{S}+")

# Words of the API: as a slug they would be the address of something else.
RESERVED = frozenset({"list", "create", "categories"})


def slug_of(title: str) -> str:
    """Return a title in lower-case Latin letters, whatever its script; empty if it has no letters."""
    return slugify(anyascii(SYMBOLS.sub(" ", title)))[:70].strip("-_")


def is_reserved(slug: str) -> bool:
    """Whether it is a word of the API, or reads as an id: raffles are looked up by id first."""
    try:
        UUID(slug)
    except ValueError:
        return slug in RESERVED
    return True
