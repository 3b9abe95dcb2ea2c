"""Requests and transactions to a chain."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import BlockNotFound, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import Nonce
from web3.utils.address import get_create_address

from verification.beacon import Beacon
from verification.chain.nodes import Nodes, code_of, is_out_of_funds, reason_of
from verification.chain_types import (
    MAX_FEE,
    Block,
    BlockId,
    Call,
    ChainRejected,
    ChainTooDear,
    ChainUnavailable,
    ContractConstants,
    DrawState,
    DrawStatus,
    Fees,
    FundsMissing,
    Receipt,
    SignedCall,
    TransactionRefused,
)
from verification.contract import VOID_AFTER, artefact, constants_in
from verification.contract.encoding import decode_signature, encode_public_key, encode_signature

_GAS_MARGIN = 1.25  # over the estimate, as state may differ a little when the transaction runs
_BASE_FEE_MARGIN = 2  # a full block raises the base fee by an eighth: this covers six of them
_NOT_NOW = frozenset({-32603, -32005, -32002})  # internal error, too many requests, resource unavailable (EIP-1474)
_NO_TAG = frozenset({-32601, -32602, -39001})  # no such method, invalid parameters, unknown block
_SETTLES = frozenset({"settle", "settle_many"})
_LOG_SPAN = 10_000  # blocks whose events are asked for at once: public nodes refuse more


class Chain:
    """A chain behind nodes tried in order, once per call; `timeout` limits each node's answer, in seconds.

    A question marked `decisive` goes to all nodes instead, and two must give the same answer; where they do not, or
    only one of several answers, it raises ChainUnavailable. With one node configured, its answer counts.
    Without an operator's key it only reads. `max_fee` is the highest price of a unit of gas, in wei.
    """

    def __init__(
        self,
        rpc_urls: Sequence[str],
        chain_id: int,
        operator_key: str | None,
        timeout: float = 5.0,
        max_fee: int = MAX_FEE,
    ) -> None:
        if max_fee <= 0:
            raise ValueError("the highest price of a unit of gas is not positive")
        self.chain_id = chain_id
        self.max_fee = max_fee
        self._operator: LocalAccount | None = Account.from_key(operator_key) if operator_key else None
        self._nodes = Nodes(rpc_urls, chain_id, timeout)
        self._ask = self._nodes.ask
        self._contract = Web3().eth.contract(abi=artefact()["abi"], bytecode=artefact()["bytecode"])

    @property
    def operator(self) -> str:
        """The operator's address. Raises ChainRejected if there is no key."""
        return self._signer().address

    def ping(self) -> None:
        """Raise ChainUnavailable unless some node answers and is of this chain."""
        self.head()

    def head(self, *, decisive: bool = False) -> int:
        """Ask for the number of the newest block. If decisive, it is the newest that two nodes have reached."""
        if not decisive:
            return self._ask(_head)
        return self._nodes.reached(_head) or 0

    def block(self, number: int, *, decisive: bool = False) -> Block | None:
        """Fetch the block of this number, as it is now; None if the node has none (it may be behind)."""
        return self._asked(lambda node: _block(node, number), decisive)

    def finalized(self) -> Block | None:
        """Fetch the newest block that stays for good; None where the nodes have no `finalized` tag.

        Always decisive: it is the newest that two nodes call final, and they agree on it. Raises ChainUnavailable if
        some nodes have the tag and fewer than two do.
        """
        number = self._nodes.reached(_finalized)
        if number is None:
            return None
        found = self.block(number, decisive=True)
        if found is None:
            raise ChainUnavailable(f"no node has block {number}, which is said to be final")
        return found

    def balance(self, address: str) -> int:
        """Ask for the balance, in wei."""
        checksummed = Web3.to_checksum_address(address)
        return self._ask(lambda node: int(node.eth.get_balance(checksummed)))

    def code_at(self, address: str, block: BlockId = "latest", *, decisive: bool = False) -> bytes:
        """Fetch the code of a contract; empty if there is none."""
        checksummed = Web3.to_checksum_address(address)
        return self._asked(lambda node: bytes(node.eth.get_code(checksummed, block)), decisive)

    def nonces_used(self, address: str, block: BlockId = "latest", *, decisive: bool = False) -> int:
        """Ask how many nonces of the address are spent up to the block."""
        checksummed = Web3.to_checksum_address(address)
        return self._asked(lambda node: int(node.eth.get_transaction_count(checksummed, block)), decisive)

    def next_nonce(self) -> int:
        """Ask for the operator's first nonce in no block. What only waits in a node may still be dropped."""
        return self.nonces_used(self._signer().address)

    def fees(self) -> Fees:
        """Return the fees to offer now. Raises ChainTooDear if they exceed `max_fee`."""
        base = self._ask(lambda node: int(node.eth.get_block("latest")["baseFeePerGas"]))
        tip = self._ask(lambda node: int(node.eth.max_priority_fee))
        if base + tip > self.max_fee:
            raise ChainTooDear(base + tip, self.max_fee)
        return Fees(min(_BASE_FEE_MARGIN * base + tip, self.max_fee), tip, base)

    def prepare_deploy(
        self,
        beacon: Beacon,
        *,
        known_round: int,
        known_signature: bytes,
        first_sequence: int,
        void_after: int = VOID_AFTER,
    ) -> Call:
        """Prepare the deployment. Any round that has appeared serves for the contract's test of itself.

        The first draw announced must have the number `first_sequence`; `void_after` is in seconds, and at least
        MIN_VOID_DELAY unless this is the DEVELOPMENT_CHAIN.
        """
        constructor = self._contract.constructor(
            encode_public_key(beacon.public_key),
            beacon.genesis_time,
            beacon.period,
            beacon.chain_hash,
            known_round,
            encode_signature(known_signature),
            first_sequence,
            void_after,
        )
        return self._prepare("", constructor.data_in_transaction)

    def deployed_address(self, deployer: str, nonce: int) -> str:
        """Return the address of a contract that this account deploys with this nonce."""
        return get_create_address(Web3.to_checksum_address(deployer), Nonce(nonce))

    def prepare_announce(
        self,
        contract: str,
        *,
        raffle: UUID,
        manifest_hash: bytes,
        sequence: int,
        delay_seconds: int,
        commit_by: int,
        like: Call | None = None,
    ) -> Call:
        """Prepare the announcement, with gas and fees from a node. Raises CallReverts if it would revert.

        `commit_by` is the last Unix second at which the draw may be committed. An announcement that follows another
        still under way cannot be simulated: `like` then gives gas and fees.
        """
        arguments = [raffle.bytes, manifest_hash, sequence, delay_seconds, commit_by]
        if like is None:
            return self._prepare_call(contract, "announce", arguments)
        data = Web3.to_bytes(hexstr=self._contract.encode_abi("announce", args=arguments))  # type: ignore[arg-type]
        return self.call_of(contract, data, like.transaction["gas"], like.fees)

    def prepare_commit(
        self, contract: str, *, manifest_hash: bytes, commitment: bytes, tickets: int, wanted: int
    ) -> Call:
        """Prepare the commitment; `wanted` is min(tickets, prizes + alternates), and at most MAX_PICKS."""
        return self._prepare_call(contract, "commit", [manifest_hash, commitment, tickets, wanted])

    def prepare_settle(self, contract: str, manifest_hash: bytes, *, signature: bytes) -> Call:
        """Prepare the settlement; `signature` is the round's, compressed. Raises ValueError if not on the curve."""
        return self._prepare_call(contract, "settle", [manifest_hash, encode_signature(signature)])

    def prepare_settle_many(self, contract: str, manifest_hashes: Sequence[bytes], *, signature: bytes) -> Call:
        """Prepare the settlement of up to MAX_DRAWS draws that share a round; settled ones are skipped."""
        return self._prepare_call(contract, "settle_many", [sorted(manifest_hashes), encode_signature(signature)])

    def prepare_declare_void(self, contract: str, manifest_hash: bytes) -> Call:
        """Prepare the declaration that a draw whose round never appeared is to be void."""
        return self._prepare_call(contract, "declare_void", [manifest_hash])

    def prepare_void(self, contract: str, manifest_hash: bytes) -> Call:
        """Prepare the end of a declared draw without a result, once its `void_at` is over."""
        return self._prepare_call(contract, "void", [manifest_hash])

    def call_of(self, to: str, data: bytes, gas: int, fees: Fees) -> Call:
        """Return a call that was prepared before, with other fees."""
        return Call(
            {"type": 2, "chainId": self.chain_id, "value": 0, "from": self._signer().address}
            | {"data": Web3.to_hex(data), "gas": gas, "maxFeePerGas": fees.most, "maxPriorityFeePerGas": fees.tip}
            | ({"to": Web3.to_checksum_address(to)} if to else {})
        )

    def sign(self, call: Call, nonce: int) -> SignedCall:
        """Sign without a request, so that it may be called inside a database transaction."""
        signed = self._signer().sign_transaction(call.transaction | {"nonce": nonce})
        return SignedCall(bytes(signed.raw_transaction), Web3.to_hex(signed.hash), nonce)

    def broadcast(self, raw: bytes) -> None:
        """Send the transaction to a node. May be repeated: one that the chain already knows counts as sent.

        Raises ChainUnavailable, after which it may or may not have been sent, FundsMissing or TransactionRefused.
        """

        def ask(node: Web3) -> None:
            try:
                node.eth.send_raw_transaction(raw)
            except Web3RPCError as error:
                if code_of(error) in _NOT_NOW:
                    raise
                reason = reason_of(error)
                raise (FundsMissing if is_out_of_funds(reason) else TransactionRefused)(reason) from error

        try:
            self._ask(ask)
        except ChainRejected:
            # messages such as "already known" or "nonce too low" differ between nodes; what the node holds does not
            if not self._knows(Web3.to_hex(Web3.keccak(raw))):
                raise

    def receipt(self, transaction_hash: str, *, decisive: bool = False) -> Receipt | None:
        """Fetch the receipt; None while the transaction is in no block of the chain."""

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

        return self._asked(ask, decisive)

    def draw_state(
        self, contract: str, manifest_hash: bytes, block: BlockId = "latest", *, decisive: bool = False
    ) -> DrawState:
        """Read the draw from the contract, as it is after the block and by its time.

        If decisive, name the block by its number: nodes differ in which is the newest.
        """
        status, *facts = self._read(contract, "draws", manifest_hash, block=block, decisive=decisive)
        return DrawState(DrawStatus(status), *facts)

    def next_sequence(self, contract: str) -> int:
        """Read the number that the contract takes next, in the newest block."""
        return int(self._read(contract, "next_sequence"))

    def beacon_of(self, contract: str) -> bytes:
        """Read the chain hash of the beacon that the contract draws with."""
        return bytes(self._read(contract, "CHAIN_HASH"))

    def constants_of(self, contract: str, *, decisive: bool = False) -> ContractConstants:
        """Read what the contract draws with from its code, and its operator from its storage.

        Raises ChainRejected if its code is not ours: what it answered would mean nothing.
        """
        constants = constants_in(self.code_at(contract, decisive=decisive))
        if constants is None:
            raise ChainRejected(f"the code at {contract} is not the draw contract's")
        return ContractConstants(**constants, operator=self._read(contract, "operator", decisive=decisive))

    def contract_faults(
        self, contract: str, beacon: Beacon, void_after: int, *, operator: str, decisive: bool = False
    ) -> list[str]:
        """List what makes this another contract than ours: code, beacon, void delay (seconds), operator. Empty if none.

        Raises ChainUnavailable.
        """
        try:
            found = self.constants_of(contract, decisive=decisive)
        except ChainRejected as error:
            return [error.reason]
        ours = ContractConstants(
            beacon.chain_hash, beacon.genesis_time, beacon.period, beacon.public_key, void_after, operator
        )
        faults = []
        for each in fields(ContractConstants):
            theirs, expected = getattr(found, each.name), getattr(ours, each.name)
            if theirs != expected:
                name = each.name.replace("_", " ")
                faults.append(f"the contract's {name} is {_text(theirs)}, and ours is {_text(expected)}")
        return faults

    def settled_picks(
        self, contract: str, manifest_hash: bytes, block: BlockId = "latest", *, decisive: bool = False
    ) -> list[int]:
        """Read the picked indices of a settled draw, in order. Raises CallReverts before it is settled."""
        return list(self._read(contract, "picks", manifest_hash, block=block, decisive=decisive))

    def verifies(self, contract: str, round: int, signature: bytes) -> bool:  # noqa: A002 (the beacon's own word)
        """Whether the contract accepts this as the round's signature. Costs no gas."""
        return self._read(contract, "verify", round, encode_signature(signature))

    def transaction_of(self, contract: str, event: str, manifest_hash: bytes, *, not_before: int) -> str | None:
        """Find the hash of the transaction that emitted this event of the draw; None if none has since `not_before`.

        Cost: two requests for every 10,000 blocks since then, the newest first.
        """
        topics = [self._contract.events[event].topic, Web3.to_hex(manifest_hash)]
        newest = self.head()
        while newest >= 0:
            oldest = max(0, newest - _LOG_SPAN + 1)
            wanted: dict[str, Any] = {"address": Web3.to_checksum_address(contract), "topics": topics}
            wanted |= {"fromBlock": oldest, "toBlock": newest}
            if found := self._ask(lambda node, wanted=wanted: list(node.eth.get_logs(wanted))):  # type: ignore[misc]
                return Web3.to_hex(found[-1]["transactionHash"])
            first = self.block(oldest)
            if first is None or first.timestamp < not_before:
                return None
            newest = oldest - 1
        return None

    def signature_in(self, transaction_hash: str) -> bytes | None:
        """Read the compressed, unverified signature that a transaction passes to `settle` or `settle_many`.

        None if it calls neither: another contract may have passed it on.
        """

        def ask(node: Web3) -> bytes:
            try:
                return bytes(node.eth.get_transaction(transaction_hash)["input"])  # type: ignore[arg-type]
            except TransactionNotFound:
                return b""

        data = self._ask(ask)
        try:
            function, arguments = self._contract.decode_function_input(data)
            return decode_signature(arguments["signature"]) if function.fn_name in _SETTLES else None
        except (ValueError, Web3Exception, DecodingError):
            return None

    def _asked[T](self, question: Callable[[Web3], T], decisive: bool) -> T:
        return self._nodes.agree(question) if decisive else self._ask(question)

    def _read(
        self, contract: str, function: str, *arguments: Any, block: BlockId = "latest", decisive: bool = False
    ) -> Any:
        address = Web3.to_checksum_address(contract)
        self._contract.encode_abi(function, args=arguments)  # raises on a wrong argument, which is no node's fault

        def ask(node: Web3) -> Any:
            return (
                node.eth.contract(address, abi=artefact()["abi"])
                .functions[function](*arguments)
                .call(block_identifier=block)
            )

        return self._asked(ask, decisive)

    def _prepare_call(self, contract: str, function: str, arguments: list[Any]) -> Call:
        return self._prepare(contract, self._contract.encode_abi(function, args=arguments))

    def _prepare(self, to: str, data: str) -> Call:
        """Ask a node for gas and fees. Raises CallReverts if the call would revert, FundsMissing, or ChainTooDear."""
        call: dict[str, Any] = {"from": self._signer().address, "data": data}
        call |= {"to": Web3.to_checksum_address(to)} if to else {}
        gas = self._ask(lambda node: int(node.eth.estimate_gas(call)))  # type: ignore[arg-type]
        return self.call_of(to, Web3.to_bytes(hexstr=data), int(gas * _GAS_MARGIN), self.fees())  # type: ignore[arg-type]

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


def _head(node: Web3) -> int:
    return int(node.eth.block_number)


def _block(node: Web3, number: BlockId) -> Block | None:
    try:
        found = node.eth.get_block(number)
    except BlockNotFound:
        return None
    return Block(int(found["number"]), Web3.to_hex(found["hash"]), int(found["timestamp"]))


def _finalized(node: Web3) -> int | None:
    """Ask for the number of the newest final block; None if the node does not know the tag, or has no such block."""
    try:
        found = _block(node, "finalized")
    except Web3RPCError as error:
        # Some answer with a general code, and say "finalized block not found".
        if code_of(error) in _NO_TAG or "finalized" in reason_of(error).lower():
            return None
        raise
    return found.number if found else None


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
