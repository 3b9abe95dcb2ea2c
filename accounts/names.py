"""Names of people, in whatever script."""

import regex

FIRST_LETTER = regex.compile(r"\p{L}")
CHARACTER = regex.compile(r"\X")


def initials(name: str) -> str:
    """Return each word's first letter with its marks, as readers of its script see it; skip words without letters.

    "Ada de la Ñuñez" is "A.D.L.Ñ.", "क्षमा" is "क्ष.". Anything before the letter, such as a bracket, is left out.
    """
    starts = ((word, FIRST_LETTER.search(word)) for word in name.split())
    letters = (CHARACTER.match(word, found.start())[0] for word, found in starts if found)
    return "".join(f"{letter.title()}." for letter in letters)
