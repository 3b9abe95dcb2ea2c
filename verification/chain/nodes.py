"""The nodes of a chain: tried in order, or, for what decides, all asked and believed only if two agree."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    ContractLogicError,
    TimeExhausted,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware

from verification.chain_types import CallReverts, ChainRejected, ChainUnavailable, FundsMissing

AVOIDED = 30.0  # seconds for which a failed node is asked last, so that not every call waits for a hung one
_REVERTED = "execution reverted"
_NO_FUNDS = re.compile(r"insufficient ?(funds|balance)|not enough (funds|balance)|exceeds (account )?balance")
_SHOWN = 400  # characters of an answer in a message


@dataclass(slots=True)
class _Node:
    name: str
    web3: Web3
    of_this_chain: bool = False  # it has said so, and not failed since
    failed_at: float = float("-inf")


class Nodes:
    """Nodes whose answers must come within `timeout` seconds.

    A node is trusted only once it has said that it is of the chain `chain_id`, and must say so again after a failure.
    """

    def __init__(self, rpc_urls: Sequence[str], chain_id: int, timeout: float) -> None:
        if not rpc_urls:
            raise ValueError("a chain needs at least one node")
        self._chain_id = chain_id
        self._nodes = [_Node(_name(url), _web3(url, timeout)) for url in rpc_urls]

    def ask[T](self, question: Callable[[Web3], T]) -> T:
        """Return the answer of the first node that gives one. A revert is an answer, `null` for a number is not.

        Raises ChainRejected on a revert or for want of funds, and ChainUnavailable, which names each node's fault.
        """
        faults = []
        for node in self._by_health(self._nodes):
            try:
                return self._put(node, question)
            except _NodeFault as fault:
                faults.append(str(fault))
        raise ChainUnavailable("no node of the chain answered: " + "; ".join(faults))

    def agree[T](self, question: Callable[[Web3], T]) -> T:
        """Return the answer that at least two nodes give, and more than give any other.

        URLs with the same host and port are one node; where only one is configured, its answer is returned. A refusal
        is an answer too, and raised if it is the one agreed upon. Raises ChainUnavailable, which names each node's
        answer or fault. Cost: a request to every node; one that failed lately is left out if the others agree.
        """
        said: list[tuple[str, Any]] = []
        faults: list[str] = []
        for node, urls in self._distinct():
            if self._is_avoided(node) and (agreed := self._most(said)):
                return _unwrapped(agreed)
            try:
                said.append((node.name, self._answer_of(urls, question)))
            except _NodeFault as fault:
                faults.append(str(fault))
        if agreed := self._most(said):
            return _unwrapped(agreed)
        answers = "; ".join([f"{name}: {_shown(answer)}" for name, answer in said] + faults)
        if not said:
            raise ChainUnavailable(f"no node of the chain answered: {answers}")
        if len({_shown(answer) for _, answer in said}) == 1:
            raise ChainUnavailable(f"two nodes must agree, and one answered: {answers}")
        raise ChainUnavailable(f"nodes disagree: {answers}")

    def reached(self, question: Callable[[Web3], int | None]) -> int | None:
        """Return the highest number that two nodes say they have reached, or the only node's; None if none has one.

        Nodes are some blocks apart, so that they need not agree on the very number. Raises ChainUnavailable.
        """
        numbers: list[int | None] = []
        answers = []
        nodes = list(self._distinct())
        for node, urls in nodes:
            try:
                answer = self._answer_of(urls, question)
            except _NodeFault as fault:
                answers.append(str(fault))
                continue
            answers.append(f"{node.name}: {_shown(answer)}")
            if not isinstance(answer, _Refusal):
                numbers.append(answer)
        known = sorted((number for number in numbers if number is not None), reverse=True)
        needed = min(2, len(nodes))
        if len(known) >= needed:
            return known[needed - 1]
        if len(numbers) >= needed and not known:
            return None
        raise ChainUnavailable("two nodes must answer this: " + "; ".join(answers))

    def _distinct(self) -> Iterator[tuple[_Node, list[_Node]]]:
        """Give each node once, those that failed lately last, with all of its URLs."""
        urls: dict[str, list[_Node]] = {}
        for each in self._nodes:
            urls.setdefault(each.name, []).append(each)
        for first in self._by_health([group[0] for group in urls.values()]):
            yield first, urls[first.name]

    def _most(self, said: Sequence[tuple[str, Any]]) -> list[Any]:
        """Return in a list the answer that decides, if one does."""
        answers = [answer for _, answer in said]
        votes = sorted(((answers.count(each), place) for place, each in enumerate(answers)), reverse=True)
        needed = min(2, len({node.name for node in self._nodes}))
        if not votes or votes[0][0] < needed:
            return []
        best = answers[votes[0][1]]
        is_contested = any(count == votes[0][0] and answers[place] != best for count, place in votes)
        return [] if is_contested else [best]

    def _answer_of[T](self, urls: Sequence[_Node], question: Callable[[Web3], T]) -> "T | _Refusal":
        faults: list[_NodeFault] = []
        for node in urls:
            try:
                return self._put(node, question)
            except ChainRejected as error:
                return _Refusal(type(error), error.reason)
            except _NodeFault as fault:
                faults.append(fault)
        raise faults[-1]

    def _put[T](self, node: _Node, question: Callable[[Web3], T]) -> T:
        """Put the question to one node. Raises ChainRejected, or _NodeFault if it gives no answer."""
        try:
            if not node.of_this_chain:
                self._check(node)
            return question(node.web3)
        except ContractLogicError as error:
            raise CallReverts(reason_of(error)) from error
        except BadFunctionCallOutput as error:
            raise ChainRejected("there is no draw contract at this address") from error
        except _OtherChain as error:
            fault = str(error)
        except Web3RPCError as error:
            fault = reason_of(error)
            if is_out_of_funds(fault):
                raise FundsMissing(fault) from error
        except (requests.RequestException, TimeExhausted) as error:
            fault = type(error).__name__
        except (BadResponseFormat, ValueError, TypeError, KeyError, AttributeError) as error:
            fault = f"no answer of a node ({type(error).__name__})"
        node.of_this_chain, node.failed_at = False, time.monotonic()
        raise _NodeFault(f"{node.name}: {fault}")

    def _by_health(self, nodes: Iterable[_Node]) -> list[_Node]:
        return sorted(nodes, key=self._is_avoided)

    @staticmethod
    def _is_avoided(node: _Node) -> bool:
        return time.monotonic() - node.failed_at < AVOIDED

    def _check(self, node: _Node) -> None:
        served = int(node.web3.eth.chain_id)
        if served != self._chain_id:
            raise _OtherChain(f"serves the chain {served}, not {self._chain_id}")
        node.of_this_chain = True


class _OtherChain(Exception):
    """The node is of another chain."""


class _NodeFault(Exception):
    """A node gave no answer; names it and says why."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A refusal as an answer, which can be compared with another node's."""

    kind: type[ChainRejected]
    reason: str


def _unwrapped(agreed: Sequence[Any]) -> Any:
    (answer,) = agreed
    if isinstance(answer, _Refusal):
        raise answer.kind(answer.reason)
    return answer


def _shown(answer: Any) -> str:
    return (f"refused, {answer.reason}" if isinstance(answer, _Refusal) else str(answer))[:_SHOWN]


def is_out_of_funds(reason: str) -> bool:
    """Whether a node's message says that the account cannot pay; the wording differs between implementations."""
    return bool(_NO_FUNDS.search(reason.lower()))


def _name(url: str) -> str:
    """Return host and port: the rest of a node's address is often a secret."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _web3(url: str, timeout: float) -> Web3:
    # One attempt, and a time limit on the whole body (`stream`): by default a hung node would hold us for 150 s. No
    # redirects, so that a node cannot send a signed transaction to an address of its choice.
    options = {"timeout": timeout, "stream": True, "allow_redirects": False, "hooks": {"response": _read_as_it_comes}}
    web3 = Web3(HTTPProvider(url, request_kwargs=options, exception_retry_configuration=None))
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # some chains put more into a block's extraData
    return web3


def _read_as_it_comes(response: requests.Response, **_: Any) -> None:
    """Read the body in chunks as they arrive: web3 iterates over it to limit its time, by default byte by byte."""

    def pieces(*_: Any, **__: Any) -> Iterator[bytes]:
        try:
            while piece := response.raw.read1(65_536, decode_content=True):
                yield piece
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error
        response._content_consumed = True  # noqa: SLF001 or the connection would be closed instead of used again

    response.iter_content = pieces  # type: ignore[method-assign,assignment]


def code_of(error: Web3RPCError) -> int | None:
    """Return the code of a node's error."""
    return _details(error).get("code")


def reason_of(error: ContractLogicError | Web3RPCError) -> str:
    """Return the contract's or the node's own message."""
    message = _details(error).get("message") if isinstance(error, Web3RPCError) else error.message
    return str(message or error.message).removeprefix(_REVERTED).removeprefix(":").strip() or _REVERTED


def _details(error: Web3RPCError) -> dict[str, Any]:
    details = (error.rpc_response or {}).get("error")
    return dict(details) if isinstance(details, dict) else {}
