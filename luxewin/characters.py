"""Characters that people cannot see: used by the settings too, so it imports nothing of Django's."""

import re
import unicodedata

# Line ends of `str.splitlines`, and so of mail headers; other control characters; characters that reverse the text's
# direction.
ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Letters and signs of Unicode that show nothing: Hangul fillers, and the Braille pattern without dots.
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def is_invisible(text: str) -> bool:
    """Whether nothing of a text can be seen: blanks, zero-width and control characters, marks without a letter."""
    return all(each in FILLERS or unicodedata.category(each)[0] in "ZCM" for each in text)
