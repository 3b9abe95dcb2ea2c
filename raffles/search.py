"""Text search in raffles: words in any order, whatever their case and accents, and with typos.

Typos need PostgreSQL's extension pg_trgm, which migration 0008 makes where it may. Without it, and for words that are
found as they are written, they do not matter.
"""

import re
import unicodedata

from django.db import connections
from django.db.models import Exists, FloatField, Func, Q, TextField, Value
from django.db.models.lookups import GreaterThanOrEqual

from luxewin.replica import reading_from

#: Words with fewer letters or digits in a row are like too many others.
LONG = re.compile(r"\w{4}")
#: How like a word has to be, from 0 to 1: two letters in the wrong order within seven are 0.33.
LIKENESS = 0.3
WHERE = """
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'pg_trgm' AND has_schema_privilege(pg_namespace.oid, 'USAGE')
"""


class Plain(Func):
    """Texts joined by spaces, without accents and in lower case, as `words_of` has the words of a query."""

    # Accents first: a database of the C locale lowers ASCII letters alone.
    template = (
        "lower(replace(regexp_replace(normalize(%(expressions)s, NFKD), "
        r"'[\u0300-\u036f]', '', 'g'), 'ß', 'ss'))"
    )
    arg_joiner = " || ' ' || "
    output_field = TextField()


def words_of(text: str) -> list[str]:
    """Return the words of a query, without accents and in lower case."""
    parts = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(part for part in parts if not 0x300 <= ord(part) <= 0x36F).lower().split()


def trigram_schema() -> str | None:
    """Return the schema, quoted, that has the functions of pg_trgm; None if they are not there. Cost: one query."""
    with connections[reading_from()].cursor() as cursor:
        cursor.execute(WHERE)
        found = cursor.fetchone()
    return found[0] if found else None


def holds(word: str, *, trigrams: str | None) -> Q:
    """Match raffles of which title, description or a prize's name has this word, or one that it is a part of.

    If no public raffle has it, match those of which title or a prize's name has a word like it, provided that
    `trigrams` is the schema of pg_trgm.
    """
    from raffles.models import Prize, Raffle

    has_it = Q(search_text__contains=word)
    has_it |= Q(pk__in=Prize.objects.filter(search_text__contains=word).values("raffle"))
    if trigrams is None or not LONG.search(word):
        return has_it
    prizes = Prize.objects.filter(_is_like(word, "search_text", trigrams)).values("raffle")
    is_known = Exists(Raffle.objects.public().filter(has_it))
    return has_it | ~Q(is_known) & (Q(_is_like(word, Plain("title"), trigrams)) | Q(pk__in=prizes))


def _is_like(word: str, text: str | Func, trigrams: str) -> GreaterThanOrEqual:
    """Compare it with each word of the text, of which description and conditions would be too long."""
    function = f"{trigrams}.strict_word_similarity"
    return GreaterThanOrEqual(Func(Value(word), text, function=function, output_field=FloatField()), LIKENESS)
