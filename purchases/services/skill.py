"""The question of skill: what somebody is told who did not answer it rightly. The database decides and keeps it."""

from datetime import datetime

from luxewin.api.problems import InvalidInput, Problem
from luxewin.clock import database_now
from purchases.errors import TooManyAnswers, WrongAnswer
from raffles.models import Raffle


def no_answer(raffle: Raffle) -> InvalidInput:
    """Without one the question is asked."""
    return InvalidInput.of("answer", "required", f"This raffle asks: {raffle.question}")


def wrong_answer(raffle: Raffle) -> WrongAnswer:
    """It was noted."""
    return WrongAnswer("That is not the right answer. No tickets were reserved.", question=raffle.question)


def too_many_answers(until: str) -> TooManyAnswers:
    """`until`: from when on an answer is heard again, as an ISO time; each wrong one is forgotten after a day."""
    at = datetime.fromisoformat(until)
    text = f"You gave too many wrong answers in one day. You can answer again from {at:%Y-%m-%d %H:%M} UTC."
    return to_wait_for(at, TooManyAnswers(text, try_again_at=at))


def to_wait_for[P: Problem](at: datetime, problem: P) -> P:
    """The same with the seconds until then. Cost: one query."""
    problem.retry_after = max(1, int((at - database_now()).total_seconds()) + 1)
    return problem
