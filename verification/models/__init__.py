"""Draws, what they have on their chain, and what became of their picks."""

from verification.models.chain import ChainAccount, ChainTransaction
from verification.models.draws import Contract, Draw, DrawSequence, EntriesIndex, Pick
from verification.models.outcomes import Award, Forfeit

__all__ = [
    "Award",
    "ChainAccount",
    "ChainTransaction",
    "Contract",
    "Draw",
    "DrawSequence",
    "EntriesIndex",
    "Forfeit",
    "Pick",
]
