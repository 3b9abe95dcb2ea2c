"""HTTP for Stripe's library: through libcurl, with a connection kept open for each thread.

The library's own clients either use `requests`, whose work in Python costs more than all the rest of a purchase, or
share one curl handle among threads, which curl forbids. During a drop that is where a server's time would go.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from threading import local
from typing import Any, NoReturn

import pycurl
import stripe

from luxewin.api.slots import NoSlot, Slots
from luxewin.curl import new_handle, set_headers, set_post

# A certificate error would only repeat.
FINAL = {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_CERTPROBLEM}


class CurlClient(stripe.HTTPClient):
    """Stripe's interface for HTTP. Its library does the retries, and gives every POST an idempotency key.

    curl itself obeys HTTPS_PROXY, and repeats a request over a new connection if a kept one was cut, as it may have
    gone stale. `before` is called before each request; at most `most` run at once, others fail immediately.
    """

    name = "pycurl"

    def __init__(self, *, connect_seconds: int, total_seconds: int, most: int, before: Callable[[], None]) -> None:
        super().__init__()
        self._slots = Slots(most)
        self._before = before
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._threads = local()

    def request(  # type: ignore[override]  # the base class has arguments that it never passes
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Make one request. Raises stripe.APIConnectionError, after which the library may try again."""
        self._before()
        curl, body = self._curl(), BytesIO()
        lines: list[bytes] = []
        curl.setopt(pycurl.URL, url)
        if method == "post":
            set_post(curl, post_data or "")
        else:
            curl.setopt(pycurl.HTTPGET, 1)
        if method == "delete":
            curl.setopt(pycurl.CUSTOMREQUEST, "DELETE")
        else:
            curl.unsetopt(pycurl.CUSTOMREQUEST)
        set_headers(curl, headers or {})
        curl.setopt(pycurl.WRITEFUNCTION, body.write)
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)
        try:
            with self._slots.take():
                curl.perform()
        except NoSlot as error:
            raise stripe.APIConnectionError(str(error), should_retry=False) from error
        except pycurl.error as error:
            _fail(error)
        return body.getvalue(), curl.getinfo(pycurl.RESPONSE_CODE), _headers(lines)

    def close(self) -> None:
        """Close this thread's connection."""
        if curl := vars(self._threads).pop("curl", None):
            curl.close()

    def _curl(self) -> Any:
        curl = getattr(self._threads, "curl", None)
        if curl is None:
            curl = new_handle(connect_seconds=self._connect_seconds, total_seconds=self._total_seconds)
            self._threads.curl = curl
        return curl


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Return headers by lower-case name, as Stripe's library looks them up."""
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _fail(error: pycurl.error) -> NoReturn:
    code, text = error.args
    raise stripe.APIConnectionError(f"curl {code}: {text}", should_retry=code not in FINAL) from error
