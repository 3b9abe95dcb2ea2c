"""The one door to the EVM chain: only this module imports web3. It keeps no state and knows nothing of Django.

A transaction is signed first, stored by the caller, and broadcast after that, so that the same bytes can be sent again
after a crash or a lost answer. Hashes and addresses are the chain's own strings, with 0x.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    BlockNotFound,
    ContractLogicError,
    TimeExhausted,
    TransactionNotFound,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import Nonce
from web3.utils.address import get_create_address

from .beacon import Beacon
from .contract import artefact
from .contract.encoding import encode_public_key, encode_signature
from .onchain import Call, ChainRejected, ChainUnavailable, DrawState, DrawStatus, Receipt, SignedCall

_GAS_MARGIN = 1.25  # over the estimate, since state may differ a little when the transaction runs
_BASE_FEE_MARGIN = 2  # a full block raises the base fee by an eighth: this covers six of them
_NOT_NOW = frozenset({-32603, -32005, -32002})  # internal error, too many requests, resource unavailable (EIP-1474)
_REVERTED = "execution reverted"


class Chain:
    """A chain behind one or more nodes, tried in order, once a call; `timeout` bounds each node's answer, in seconds.

    Without an operator's key it only reads.
    """

    def __init__(self, rpc_urls: Sequence[str], chain_id: int, operator_key: str | None, timeout: float = 5.0) -> None:
        if not rpc_urls:
            raise ValueError("a chain needs at least one node")
        self.chain_id = chain_id
        self._operator: LocalAccount | None = Account.from_key(operator_key) if operator_key else None
        self._nodes = [(_name(url), _node(url, timeout)) for url in rpc_urls]
        self._contract = Web3().eth.contract(abi=artefact()["abi"], bytecode=artefact()["bytecode"])

    @property
    def operator(self) -> str:
        """The operator's address. Raises ChainRejected if there is no key."""
        return self._signer().address

    def ping(self) -> None:
        """Returns if the first node that answers is one of this chain; else raises ChainUnavailable."""
        served = self._ask(lambda node: int(node.eth.chain_id))
        if served != self.chain_id:
            raise ChainUnavailable(f"the node serves the chain {served}, not {self.chain_id}")

    def head(self) -> int:
        """The number of the newest block."""
        return self._ask(lambda node: int(node.eth.block_number))

    def has_code(self, address: str) -> bool:
        checksummed = Web3.to_checksum_address(address)
        return bool(self._ask(lambda node: bytes(node.eth.get_code(checksummed))))

    def next_nonce(self) -> int:
        """The operator's first nonce that no transaction known to the node has, mined or waiting."""
        address = self._signer().address
        return self._ask(lambda node: int(node.eth.get_transaction_count(address, "pending")))

    def deploy(
        self, beacon: Beacon, *, known_round: int, known_signature: bytes, first_sequence: int
    ) -> tuple[str, str]:
        """Broadcasts the contract and returns its address and the transaction's hash, without waiting for a block.

        Any round of the beacon that has appeared serves for the contract's test of itself. The first draw announced
        must have the number `first_sequence`.
        """
        constructor = self._contract.constructor(
            encode_public_key(beacon.public_key),
            beacon.genesis_time,
            beacon.period,
            beacon.chain_hash,
            known_round,
            encode_signature(known_signature),
            first_sequence,
        )
        call = self.sign(self._prepare(None, constructor.data_in_transaction), self.next_nonce())
        self.broadcast(call.raw)
        return get_create_address(self._signer().address, Nonce(call.nonce)), call.hash

    def prepare_announce(self, contract: str, manifest_hash: bytes, *, sequence: int, delay_seconds: int) -> Call:
        """The announcement, with gas and fees asked of a node. Raises ChainRejected if it would revert."""
        return self._prepare_call(contract, "announce", [manifest_hash, sequence, delay_seconds])

    def prepare_commit(self, contract: str, manifest_hash: bytes, *, root: bytes, tickets: int, wanted: int) -> Call:
        """The commitment; `wanted` is min(tickets, prizes + alternates), and at most MAX_PICKS."""
        return self._prepare_call(contract, "commit", [manifest_hash, root, tickets, wanted])

    def prepare_settle(self, contract: str, manifest_hash: bytes, *, signature: bytes) -> Call:
        """The settlement; `signature` is the round's, compressed. Raises ValueError if it is no point of the curve."""
        return self._prepare_call(contract, "settle", [manifest_hash, encode_signature(signature)])

    def sign(self, call: Call, nonce: int) -> SignedCall:
        """Signs without asking anybody, so it may be called inside a database transaction."""
        signed = self._signer().sign_transaction(call.transaction | {"nonce": nonce})
        return SignedCall(bytes(signed.raw_transaction), Web3.to_hex(signed.hash), nonce)

    def broadcast(self, raw: bytes) -> None:
        """Hands the transaction to a node. May be repeated: one that the chain already knows counts as sent.

        Raises ChainUnavailable, after which it may have been sent or not, or ChainRejected.
        """

        def ask(node: Web3) -> None:
            try:
                node.eth.send_raw_transaction(raw)
            except Web3RPCError as error:
                if _code(error) in _NOT_NOW:
                    raise
                raise ChainRejected(_reason(error)) from error

        try:
            self._ask(ask)
        except ChainRejected:
            # "already known", "nonce too low" and their like differ from node to node; what the node holds does not
            if not self._knows("0x" + Web3.keccak(raw).hex().removeprefix("0x")):
                raise

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """The receipt, or None as long as the transaction is in no block of the chain."""

        def ask(node: Web3) -> Receipt | None:
            try:
                mined = node.eth.get_transaction_receipt(transaction_hash)  # type: ignore[arg-type]
                block = node.eth.get_block(mined["blockHash"])
            except (TransactionNotFound, BlockNotFound):  # the second: the block was reorganised away in between
                return None
            return Receipt(
                succeeded=mined["status"] == 1,
                block_number=mined["blockNumber"],
                block_hash=Web3.to_hex(mined["blockHash"]),
                block_timestamp=block["timestamp"],
                gas_used=mined["gasUsed"],
            )

        return self._ask(ask)

    def draw_state(self, contract: str, manifest_hash: bytes) -> DrawState:
        """The draw as the contract has it, in the newest block."""
        status, *fields = self._read(contract, "draws", manifest_hash)
        return DrawState(DrawStatus(status), *fields)

    def settled_picks(self, contract: str, manifest_hash: bytes) -> list[int]:
        """The picked indices of a settled draw, in order. Raises ChainRejected before it is settled."""
        return list(self._read(contract, "picks", manifest_hash))

    def verifies(self, contract: str, round: int, signature: bytes) -> bool:  # noqa: A002 (the beacon's own word)
        """Whether the contract takes this for the signature of the round. Costs no gas."""
        return self._read(contract, "verify", round, encode_signature(signature))

    def _read(self, contract: str, function: str, *arguments: Any) -> Any:
        address = Web3.to_checksum_address(contract)
        self._contract.encode_abi(function, args=arguments)  # a wrong argument is raised here, and no node's fault

        def ask(node: Web3) -> Any:
            return node.eth.contract(address, abi=artefact()["abi"]).functions[function](*arguments).call()

        return self._ask(ask)

    def _prepare_call(self, contract: str, function: str, arguments: list[Any]) -> Call:
        data = self._contract.encode_abi(function, args=arguments)
        return self._prepare(Web3.to_checksum_address(contract), data)

    def _prepare(self, to: str | None, data: str) -> Call:
        """Asks a node for gas and fees; raises ChainRejected with the contract's reason if the call would revert."""
        call: dict[str, Any] = {"from": self._signer().address, "data": data} | ({"to": to} if to else {})
        gas = self._ask(lambda node: int(node.eth.estimate_gas(call)))  # type: ignore[arg-type]
        base_fee = self._ask(lambda node: int(node.eth.get_block("latest")["baseFeePerGas"]))
        priority_fee = self._ask(lambda node: int(node.eth.max_priority_fee))
        fees = {"maxFeePerGas": _BASE_FEE_MARGIN * base_fee + priority_fee, "maxPriorityFeePerGas": priority_fee}
        return Call(call | fees | {"type": 2, "chainId": self.chain_id, "value": 0, "gas": int(gas * _GAS_MARGIN)})

    def _signer(self) -> LocalAccount:
        if self._operator is None:
            raise ChainRejected("there is no operator's key to sign with")
        return self._operator

    def _knows(self, transaction_hash: str) -> bool:
        def ask(node: Web3) -> bool:
            try:
                node.eth.get_transaction(transaction_hash)  # type: ignore[arg-type]
            except TransactionNotFound:
                return False
            return True

        return self._ask(ask)

    def _ask[T](self, ask: Callable[[Web3], T]) -> T:
        """The answer of the first node that gives one. A revert is an answer; `null` where a number belongs is none."""
        faults = []
        for name, node in self._nodes:
            try:
                return ask(node)
            except ContractLogicError as error:
                raise ChainRejected(_reason(error)) from error
            except BadFunctionCallOutput as error:
                raise ChainRejected("there is no draw contract at this address") from error
            except Web3RPCError as error:
                faults.append(f"{name}: {_reason(error)}")
            except (requests.RequestException, TimeExhausted) as error:
                faults.append(f"{name}: {type(error).__name__}")
            except (BadResponseFormat, ValueError, TypeError, KeyError, AttributeError) as error:
                faults.append(f"{name}: no answer of a node ({type(error).__name__})")
        raise ChainUnavailable("no node of the chain answered: " + "; ".join(faults))


def _name(url: str) -> str:
    """Host and port: the rest of a node's address is often a secret."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _node(url: str, timeout: float) -> Web3:
    # One attempt, and a bound on the whole body (`stream`): by default a hung node would hold us for 150 s
    options = {"timeout": timeout, "stream": True}
    node = Web3(HTTPProvider(url, request_kwargs=options, exception_retry_configuration=None))
    node.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # some chains put more into a block's extraData
    return node


def _code(error: Web3RPCError) -> int | None:
    return _details(error).get("code")


def _reason(error: ContractLogicError | Web3RPCError) -> str:
    message = _details(error).get("message") if isinstance(error, Web3RPCError) else error.message
    return str(message or error.message).removeprefix(_REVERTED).removeprefix(":").strip() or _REVERTED


def _details(error: Web3RPCError) -> dict[str, Any]:
    details = (error.rpc_response or {}).get("error")
    return dict(details) if isinstance(details, dict) else {}
