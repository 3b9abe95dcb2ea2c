"""Text search in raffles: words in any order, whatever their case and accents."""

import unicodedata

from django.db.models import Func, Q, TextField


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


def holds(word: str) -> Q:
    """Match raffles of which title, description or a prize's name has this word, or one that it is a part of."""
    from raffles.models import Prize

    of_prize = Prize.objects.filter(search_text__contains=word).values("raffle")
    return Q(search_text__contains=word) | Q(pk__in=of_prize)
