"""The question of skill: a wrong answer holds nothing and is kept; right ones are kept with what they held."""

from accounts.models import User
from luxewin.api.problems import InvalidInput
from purchases.errors import WrongAnswer
from purchases.models import SkillAttempt
from raffles.models import Raffle


def refuse_answer(raffle: Raffle, buyer: User, answer: str | None) -> Exception:
    """What to tell somebody who answered wrongly, which is noted, or not at all. Cost: one INSERT at most."""
    if answer is None:
        return InvalidInput.of("answer", "required", f"This raffle asks: {raffle.question}")
    SkillAttempt.objects.create(raffle=raffle, user=buyer, answer=answer, correct=False)
    return WrongAnswer("That is not the right answer; nothing was held.", question=raffle.question)
