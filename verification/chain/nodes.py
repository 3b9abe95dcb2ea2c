"""The nodes of a chain, tried in order: the first that answers and is of the right chain is trusted."""

import time
from collections.abc import Callable, Iterator, Sequence
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

from verification.chain_types import ChainRejected, ChainUnavailable

AVOIDED = 30.0  # seconds for which a failed node is asked last, so that not every call waits for a hung one
_REVERTED = "execution reverted"


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

        Raises ChainRejected on a revert, and ChainUnavailable, which names each node's fault.
        """
        faults = []
        now = time.monotonic()
        for node in sorted(self._nodes, key=lambda node: now - node.failed_at < AVOIDED):
            try:
                if not node.of_this_chain:
                    self._check(node)
                return question(node.web3)
            except ContractLogicError as error:
                raise ChainRejected(reason_of(error)) from error
            except BadFunctionCallOutput as error:
                raise ChainRejected("there is no draw contract at this address") from error
            except _OtherChain as error:
                fault = str(error)
            except Web3RPCError as error:
                fault = reason_of(error)
            except (requests.RequestException, TimeExhausted) as error:
                fault = type(error).__name__
            except (BadResponseFormat, ValueError, TypeError, KeyError, AttributeError) as error:
                fault = f"no answer of a node ({type(error).__name__})"
            node.of_this_chain, node.failed_at = False, time.monotonic()
            faults.append(f"{node.name}: {fault}")
        raise ChainUnavailable("no node of the chain answered: " + "; ".join(faults))

    def _check(self, node: _Node) -> None:
        served = int(node.web3.eth.chain_id)
        if served != self._chain_id:
            raise _OtherChain(f"serves the chain {served}, not {self._chain_id}")
        node.of_this_chain = True


class _OtherChain(Exception):
    """The node is of another chain."""


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
