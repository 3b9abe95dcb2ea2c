"""Problems for wrong or missing answers to the skill question. The database decides and keeps the attempts."""

from datetime import datetime

from luxewin.api.problems import InvalidInput, Problem, moment
from luxewin.clock import database_now
from purchases.errors import TooManyAnswers, WrongAnswer
from raffles.models import Raffle


def no_answer(raffle: Raffle) -> InvalidInput:
    """Return the Problem that asks for a missing answer."""
    return InvalidInput.of("answer", "required", f"This raffle asks: {raffle.question}")


def wrong_answer(raffle: Raffle) -> WrongAnswer:
    """Return the Problem of a wrong answer, which the database has noted."""
    return WrongAnswer("That is not the right answer. No tickets were reserved.", question=raffle.question)


def too_many_answers(until: str) -> TooManyAnswers:
    """Return the Problem; `until`, an ISO time, is when to answer again. A wrong answer counts for a day."""
    at = datetime.fromisoformat(until)
    text = f"You gave too many wrong answers in one day. You can answer again from {moment(at)}."
    return to_wait_for(at, TooManyAnswers(text, try_again_at=at))


def to_wait_for[P: Problem](at: datetime, problem: P) -> P:
    """Set `retry_after`, the seconds until `at`, on the Problem and return it. Cost: one query."""
    problem.retry_after = max(1, int((at - database_now()).total_seconds()) + 1)
    return problem
