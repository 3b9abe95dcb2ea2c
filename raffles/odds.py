"""The chance of winning: by how many tickets one has, how many take part, and how many prizes there are."""

from math import prod


def chance(tickets: int, *, taking_part: int, prizes: int) -> float:
    """Return the probability that some of `tickets` wins a prize, to six significant digits.

    Each of the `prizes` goes to another ticket of all `taking_part`, each equally likely; 1 ≤ tickets ≤ taking_part.
    """
    others = taking_part - tickets
    if others < prizes:
        return 1.0
    none = prod((others - drawn) / (taking_part - drawn) for drawn in range(prizes))
    return float(f"{1 - none:.6g}")
