"""Types for a chain: calls, receipts, states, errors. Quick to import, unlike `chain`, the client itself."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Literal

GWEI = 10**9
# Dearer than ordinary days on any chain that fits: a settlement costs at most 0.033 ether, and steps have deadlines.
MAX_FEE = 200 * GWEI

# A state of the chain: after a block of this number, after the newest, or after the newest that stays for good.
BlockId = int | Literal["latest", "finalized"]


class DrawStatus(IntEnum):
    """How far the contract is with a draw."""

    UNKNOWN = 0
    ANNOUNCED = 1
    COMMITTED = 2
    SETTLED = 3
    VOID = 4
    LAPSED = 5


@dataclass(frozen=True, slots=True)
class DrawState:
    """A draw as the contract gives it, in the order of its answer; what a later step sets is zero before it.

    Times in Unix seconds; `raffle` is 16 bytes. `status` is as of the time of the block asked about: an announced draw
    that is not committed by `commit_by` is LAPSED. The settlement puts `seed` in the place of `commitment`. `void_at`
    is the earliest time of the void, 0 while none is declared.
    """

    status: DrawStatus
    raffle: bytes
    sequence: int
    delay_seconds: int
    commit_by: int
    announced_at: int
    committed_at: int
    tickets: int
    wanted: int
    round: int
    commitment: bytes
    seed: bytes
    void_at: int


@dataclass(frozen=True, slots=True)
class ContractConstants:
    """What a contract with our code draws with, and who operates it. `period` and `void_after` in seconds."""

    chain_hash: bytes
    genesis_time: int
    period: int
    public_key: bytes
    void_after: int
    operator: str


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
    """The chain did not do what was requested. If `lasting`, waiting does not help: somebody must act."""

    lasting: ClassVar[bool] = False


class ChainUnavailable(ChainError):
    """No node answered in time, or nodes disagree; trying again later may help. The message names each node's fault."""


class ChainRejected(ChainError):
    """What was requested is refused, and would be again. `reason` says why."""

    lasting = True

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CallReverts(ChainRejected):
    """The contract refuses the call in its present state; `reason` is the contract's own."""


class FundsMissing(ChainRejected):
    """The operator's account cannot pay for the transaction until somebody pays in."""


class TransactionRefused(ChainRejected):
    """A node did not take a signed transaction, for its nonce, its fees, or the node's own limits.

    Not lasting: whether the nonce is spent is told by receipts, and fees and limits change.
    """

    lasting = False


class ChainTooDear(ChainError):
    """Gas costs more than CHAIN_MAX_FEE_GWEI allows: the step waits."""

    def __init__(self, needed: int, most: int) -> None:
        super().__init__(
            f"gas costs {needed / GWEI:.3f} gwei now, CHAIN_MAX_FEE_GWEI allows {most / GWEI:.3f}: the step waits"
        )
