"""Anchoring: the steps of a draw on its chain. Transactions are rows, stored before they are sent; see ADR 10.

Without a chain the functions return at once. Only `contract_for` may be called inside a transaction.
"""

from verification.anchoring.contract_state import (
    check_announced,
    check_round,
    has_lost_commitment,
    is_uncommittable,
    is_void_there,
    settled_with,
)
from verification.anchoring.contract_steps import (
    anchor_commit,
    anchor_promise,
    anchor_settlement,
    anchor_void,
    anchor_void_declaration,
    await_commit,
    commit_counts,
)
from verification.anchoring.contracts import contract_for, deploy_contract
from verification.anchoring.sending import track

__all__ = [
    "anchor_commit",
    "anchor_promise",
    "anchor_settlement",
    "anchor_void",
    "anchor_void_declaration",
    "await_commit",
    "check_announced",
    "check_round",
    "commit_counts",
    "contract_for",
    "deploy_contract",
    "has_lost_commitment",
    "is_uncommittable",
    "is_void_there",
    "settled_with",
    "track",
]
