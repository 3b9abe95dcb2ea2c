"""Checks of what the catalogue needs of the database."""

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 Django's own name for it

from raffles.search import trigram_schema


@register(Tags.database, deploy=True)
def typos_are_found(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Look for pg_trgm, without which a search finds nothing for a misspelt word. Cost: one query."""
    if not databases or trigram_schema():
        return []
    said = "The database lacks the extension pg_trgm: a search for a misspelt word finds nothing."
    hint = "CREATE EXTENSION pg_trgm; as the database's owner or a superuser. No restart is needed."
    return [Warning(said, hint=hint, id="raffles.W001")]
