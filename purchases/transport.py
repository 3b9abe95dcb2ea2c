"""How Stripe's library speaks HTTP: over urllib3 directly, one pool of connections for all threads of a process.

The library's own client goes through `requests`, which reads the environment and merges sessions anew for each call and
costs several times as much; under a drop that is what a server's CPU would go to.
"""

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.request import getproxies

import stripe
import urllib3


class PooledClient(stripe.HTTPClient):
    """Stripe's interface for HTTP. Retries are the library's business; here each call is one request."""

    name = "urllib3"

    def __init__(self, *, connect_seconds: float, read_seconds: float, connections: int) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "maxsize": connections,
            "ca_certs": stripe.ca_bundle_path,
            "timeout": urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            "retries": False,
        }
        # As `requests` does, but read once.
        proxy = getproxies().get("https")
        self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def request(  # type: ignore[override]  # the base class has arguments that it never passes
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request; raises stripe.APIConnectionError, which the library may try again."""
        try:
            answer = self._pool.request(method.upper(), url, body=post_data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            _fail(error)
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        """Closes the pool."""
        self._pool.clear()


def _fail(error: urllib3.exceptions.HTTPError) -> NoReturn:
    # What fails at the certificate fails again.
    again = not isinstance(error, urllib3.exceptions.SSLError)
    raise stripe.APIConnectionError(f"{type(error).__name__}: {error}", should_retry=again) from error
