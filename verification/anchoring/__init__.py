"""Anchoring: the steps of a draw on its chain. Transactions are rows, stored before they are sent; ADR 10.

Without a chain the same functions answer from the clock. No function here may be called inside a transaction.
"""

from verification.anchoring.contracts import contract_for, deploy_contract
from verification.anchoring.sending import pursue
from verification.anchoring.steps import (
    anchor_commit,
    anchor_promise,
    anchor_settlement,
    anchor_void,
    anchor_void_declaration,
    recheck_commit,
)

__all__ = [
    "anchor_commit",
    "anchor_promise",
    "anchor_settlement",
    "anchor_void",
    "anchor_void_declaration",
    "contract_for",
    "deploy_contract",
    "pursue",
    "recheck_commit",
]
