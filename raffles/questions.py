"""Questions of skill: how an answer is compared, and what a question has to be."""

import unicodedata
from collections.abc import Iterator, Sequence

MIN_CHOICES, MAX_CHOICES = 2, 10
MAX_ANSWER = 200

type Fault = tuple[str, str, str]


def normalised(answer: str) -> str:
    """Without regard to case, spaces and how a letter is encoded; the right answer is stored like this."""
    return " ".join(unicodedata.normalize("NFKC", answer).casefold().split())


def faults(question: str, choices: Sequence[str], answer: str) -> Iterator[Fault]:
    """What is wrong with a question, as (field, code, detail). All three empty is no question, and no fault.

    Without choices the buyer writes the answer.
    """
    right, possible = normalised(answer), [normalised(choice) for choice in choices]
    if not question.strip() and (right or choices):
        yield "question", "required", "An answer and choices need their question."
    if question.strip() and not right:
        yield "answer", "required", "A question needs its right answer."
    if len(right) > MAX_ANSWER:
        yield "answer", "max_length", f"At most {MAX_ANSWER} characters."
    if choices:
        yield from _faults_of_choices(choices, possible, right)


def _faults_of_choices(choices: Sequence[str], possible: Sequence[str], right: str) -> Iterator[Fault]:
    if not MIN_CHOICES <= len(choices) <= MAX_CHOICES:
        yield "choices", "count", f"There must be {MIN_CHOICES} to {MAX_CHOICES} choices, or none."
    if not all(possible):
        yield "choices", "blank", "No choice may be blank."
    if len(set(possible)) < len(possible):
        yield "choices", "duplicate", "Two choices are the same answer."
    if right and right not in possible:
        yield "answer", "not_a_choice", "The right answer is not among the choices."
