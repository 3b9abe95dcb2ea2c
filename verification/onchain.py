"""What a chain is asked and answers: calls, receipts, states, errors. Light, unlike `chain`, the door itself."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class DrawStatus(IntEnum):
    """How far the contract is with a draw."""

    UNKNOWN = 0
    ANNOUNCED = 1
    COMMITTED = 2
    SETTLED = 3


@dataclass(frozen=True, slots=True)
class DrawState:
    """What the contract holds of a draw; what a later step fills is zero before it. Times in Unix seconds."""

    status: DrawStatus
    sequence: int
    delay_seconds: int
    root: bytes
    tickets: int
    wanted: int
    committed_at: int
    round: int
    seed: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction with its gas and fees, ready to be signed under a nonce."""

    transaction: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A signed transaction that may not have been sent yet."""

    raw: bytes
    hash: str
    nonce: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction. `block_timestamp` in Unix seconds."""

    succeeded: bool
    block_number: int
    block_hash: str
    block_timestamp: int
    gas_used: int


class ChainError(Exception):
    """The chain did not do what it was asked."""


class ChainUnavailable(ChainError):
    """No node gave an answer in time; trying again later may help. The message names each node's fault."""


class ChainRejected(ChainError):
    """The contract or, for a broadcast, the node refused; the same again would be too. `reason` is its word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
