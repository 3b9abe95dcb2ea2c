"""Types for a chain: calls, receipts, states, errors. Quick to import, unlike `chain`, the client itself."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

GWEI = 10**9


class DrawStatus(IntEnum):
    """How far the contract is with a draw."""

    UNKNOWN = 0
    ANNOUNCED = 1
    COMMITTED = 2
    SETTLED = 3
    VOID = 4


@dataclass(frozen=True, slots=True)
class DrawState:
    """A draw as the contract stores it; what a later step sets is zero before it. Times in Unix seconds.

    `void_at` is the earliest time of the void, 0 while none is declared.
    """

    status: DrawStatus
    sequence: int
    delay_seconds: int
    root: bytes
    tickets: int
    wanted: int
    committed_at: int
    round: int
    seed: bytes
    void_at: int


@dataclass(frozen=True, slots=True)
class Fees:
    """Prices per unit of gas, in wei: the maximum, the tip within it, and the newest block's base fee."""

    most: int
    tip: int
    base: int = 0

    def raised_over(self, former: "Fees") -> "Fees":
        """Return these fees, both raised to an eighth above the former if lower, as nodes require of a replacement."""
        return Fees(max(self.most, former.most * 9 // 8 + 1), max(self.tip, former.tip * 9 // 8 + 1), self.base)


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction with its gas and fees, ready to be signed under a nonce."""

    transaction: dict[str, Any]

    @property
    def fees(self) -> Fees:
        return Fees(self.transaction["maxFeePerGas"], self.transaction["maxPriorityFeePerGas"])


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A signed transaction that may not have been sent yet."""

    raw: bytes
    hash: str
    nonce: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the current chain. `timestamp` in Unix seconds."""

    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a mined transaction. `block_timestamp` in Unix seconds."""

    succeeded: bool
    block_number: int
    block_hash: str
    block_timestamp: int
    gas_used: int


class ChainError(Exception):
    """The chain did not do what was requested."""


class ChainUnavailable(ChainError):
    """No node answered in time; trying again later may help. The message names each node's fault."""


class ChainRejected(ChainError):
    """The contract, or for a broadcast the node, refused, and would again. `reason` is its message."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ChainTooDear(ChainError):
    """Gas costs more than CHAIN_MAX_FEE_GWEI allows: the step waits."""

    def __init__(self, needed: int, most: int) -> None:
        super().__init__(
            f"gas costs {needed / GWEI:.3f} gwei now, CHAIN_MAX_FEE_GWEI allows {most / GWEI:.3f}: the step waits"
        )
