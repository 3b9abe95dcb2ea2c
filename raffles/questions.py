"""Skill questions: their rules, and how an answer is compared."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

MIN_CHOICES, MAX_CHOICES = 2, 10
MAX_ANSWER = 200

type Fault = tuple[str, str, str]


# Characters that phones type for a keyboard's apostrophe, quotation mark and hyphen.
LIKE_KEYS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u2032\u00b4\u0060\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d", "-")
)
# Joiners, marks of direction, soft hyphens; and variation selectors between a sign and its picture.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f]")


def normalised(answer: str) -> str:
    """Return an answer in the form that is compared and stored, whatever keyboard it was typed on.

    It ignores case, spaces, the encoding of letters, the kind of apostrophe, quotation mark or dash, invisible
    characters, and points at the end. An answer that consists only of these keeps them.
    """
    text = unicodedata.normalize("NFKC", answer.translate(LIKE_KEYS)).casefold()
    text = unicodedata.normalize("NFKC", text).translate(LIKE_KEYS)
    seen = "".join(each for each in UNSEEN.sub("", text) if unicodedata.category(each) != "Cf")
    words = " ".join(re.sub(r"\s*-[\s-]*", "-", seen).split())
    bare = words.rstrip(" .,;")
    if len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1].strip(" .,;")
    return bare or words


def faults(question: str, choices: Sequence[str], answer: str) -> Iterator[Fault]:
    """Return the faults of a question, as (field, code, detail). All three empty is no question, and no fault.

    Without choices the buyer types the answer.
    """
    right, possible = normalised(answer), [normalised(choice) for choice in choices]
    if not question.strip() and (right or choices):
        yield "question", "required", "Enter the question for these answers."
    if question.strip() and not right:
        yield "answer", "required", "Enter the right answer to the question."
    if len(right) > MAX_ANSWER:
        yield "answer", "max_length", f"At most {MAX_ANSWER} characters."
    if choices:
        yield from _faults_of_choices(choices, possible, right)


def _faults_of_choices(choices: Sequence[str], possible: Sequence[str], right: str) -> Iterator[Fault]:
    if not MIN_CHOICES <= len(choices) <= MAX_CHOICES:
        yield "choices", "count", f"Give {MIN_CHOICES} to {MAX_CHOICES} choices, or none."
    if not all(possible):
        yield "choices", "blank", "A choice cannot be blank."
    if len(set(possible)) < len(possible):
        yield "choices", "duplicate", "Two choices are the same answer."
    if right and right not in possible:
        yield "answer", "not_a_choice", "The right answer is not among the choices."
