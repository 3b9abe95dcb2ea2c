"""Questions of skill: how an answer is compared."""


def normalised(answer: str) -> str:
    """Without regard to case and spaces; the right answer is stored like this."""
    return " ".join(answer.casefold().split())
