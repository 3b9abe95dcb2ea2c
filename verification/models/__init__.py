"""Draws, their chain transactions, and the outcomes of their picks."""

from verification.models.chain import ChainAccount, ChainAttempt, ChainStep, ChainTransaction
from verification.models.claims import Claim, ClaimDocument
from verification.models.draws import Contract, Draw, DrawSequence, EntriesIndex, Pick, UndoneDecision, UntoldDraw
from verification.models.log import Log, LogBlock, LogHead, LogLeaf
from verification.models.outcomes import Award, Forfeit, Outcome, claim_ends, derived_outcome, held_prize, outcome_of

__all__ = [
    "Award",
    "ChainAccount",
    "ChainAttempt",
    "ChainStep",
    "ChainTransaction",
    "Claim",
    "ClaimDocument",
    "Contract",
    "Draw",
    "DrawSequence",
    "EntriesIndex",
    "Forfeit",
    "Log",
    "LogBlock",
    "LogHead",
    "LogLeaf",
    "Outcome",
    "Pick",
    "UndoneDecision",
    "UntoldDraw",
    "claim_ends",
    "derived_outcome",
    "held_prize",
    "outcome_of",
]
