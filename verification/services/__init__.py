"""Writes of draws: the promise at publication, then idempotent steps in order."""

from verification.services.claims import (
    MAX_DOCUMENTS,
    accept_prize,
    add_document,
    ask_for_documents,
    awards_of,
    confirm_check,
    dispatch_prize,
    objections,
)
from verification.services.draw_steps import advance_draw, decide_with
from verification.services.log import finish, prove_leaf, sequence, sign_head
from verification.services.outcomes import claim_award, forfeit_pick, next_alternate
from verification.services.paths import prove_entry
from verification.services.promises import end_with_raffle, promise_draw
from verification.services.receipts import receipt_of
from verification.services.repairs import reconcile_transaction
from verification.services.voiding import declare_void

__all__ = [
    "MAX_DOCUMENTS",
    "accept_prize",
    "add_document",
    "advance_draw",
    "ask_for_documents",
    "awards_of",
    "claim_award",
    "confirm_check",
    "decide_with",
    "declare_void",
    "dispatch_prize",
    "end_with_raffle",
    "finish",
    "forfeit_pick",
    "next_alternate",
    "objections",
    "promise_draw",
    "prove_entry",
    "prove_leaf",
    "receipt_of",
    "reconcile_transaction",
    "sequence",
    "sign_head",
]
