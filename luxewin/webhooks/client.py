"""HTTP to endpoints: only to addresses that were checked, over TLS, without redirects and proxies, within a time."""

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pycurl

from luxewin.curl import new_handle, set_headers, set_post
from luxewin.webhooks.addresses import AddressRefused, is_allowed, parsed, resolve

CONNECT_SECONDS, TOTAL_SECONDS = 5, 10
KEPT_BYTES = 500
# What an answer may be at most; a longer one is cut off, and counts by its status.
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, the beginning of the content, and why the endpoint did not take it, if it did not."""

    status: int | None
    content: str
    error: str

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it."""
        return not self.error


class Client:
    """A connection to one endpoint, kept between requests. Use it as a context manager, in one thread.

    Its name is resolved once. The addresses that were checked are the ones that curl connects to, so an answer of the
    resolver that changes later has no say; each is checked once more when its socket is opened.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._curl: Any = None
        self._refused = ""
        # pycurl gives curl a copy of each: these are closed after the request.
        self._handed_over: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._curl is not None:
            self._curl.close()

    def post(self, body: bytes, headers: dict[str, str]) -> Answer:
        """Post it once. Whatever goes wrong is in the answer. Takes TOTAL_SECONDS at most, and the resolver's time."""
        kept = bytearray()
        length = 0

        def take(part: bytes) -> int:
            nonlocal length
            length += len(part)
            kept.extend(part[: KEPT_BYTES - len(kept)])
            return len(part) if length <= MOST_BYTES else 0

        try:
            curl = self._connected()
        except AddressRefused as refusal:
            return Answer(None, "", str(refusal))
        set_post(curl, body)
        set_headers(curl, headers)
        curl.setopt(pycurl.WRITEFUNCTION, take)
        error = self._refused = ""
        try:
            curl.perform()
        except pycurl.error as fault:
            if length <= MOST_BYTES:
                error = self._refused or f"{fault.args[1]} (curl {fault.args[0]})"
        finally:
            while self._handed_over:
                self._handed_over.pop().close()
        status = curl.getinfo(pycurl.RESPONSE_CODE) or None
        if not error and status is not None and 300 <= status < 400:
            error = "it redirects, which is not followed: enter the address that it leads to"
        elif not error and (status is None or not 200 <= status < 300):
            error = f"it answered {status}"
        return Answer(status, kept.decode("utf-8", "replace"), error)

    def _connected(self) -> Any:
        if self._curl is not None:
            return self._curl
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or 443
        addresses = [f"[{each}]" if ":" in each else each for each in resolve(host, port)]
        curl = self._curl = new_handle(connect_seconds=CONNECT_SECONDS, total_seconds=TOTAL_SECONDS)
        curl.setopt(pycurl.URL, self._url)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS)
        # A proxy would resolve the name anew, and connect for us to what it finds.
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.RESOLVE, [f"{host}:{port}:{','.join(addresses)}"])
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.USERAGENT, "LuxeWin-Webhooks/1")
        return curl

    def _open(self, purpose: int, address: tuple[int, int, int, Any]) -> Any:
        """Open a socket for curl, unless it would go where nothing may be sent, whatever made curl want to."""
        family, kind, protocol, where = address
        target = parsed(where[0].decode() if isinstance(where[0], bytes) else where[0])
        if not is_allowed(target):
            self._refused = f"{target} is private: nothing is sent there"
            return pycurl.SOCKET_BAD
        made = socket.socket(family, kind, protocol)
        self._handed_over.append(made)
        return made
