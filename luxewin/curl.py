"""libcurl's handles, set up alike for every party that is asked through it."""

from collections.abc import Mapping
from typing import Any

import pycurl

from luxewin.tls import ca_file


def new_handle(*, connect_seconds: int, total_seconds: int) -> Any:
    """Return a handle for one thread, which keeps its connection between requests: bounded in time, TLS checked."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.CAINFO, ca_file())
    curl.setopt(pycurl.CONNECTTIMEOUT, connect_seconds)
    curl.setopt(pycurl.TIMEOUT, total_seconds)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NOSIGNAL, 1)  # time-outs of threads must not use signals
    curl.setopt(pycurl.TCP_NODELAY, 1)
    return curl


def set_headers(curl: Any, headers: Mapping[str, str]) -> None:
    """Send these with the next requests, instead of those before."""
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])


def set_post(curl: Any, body: str | bytes) -> None:
    """POST this with the next request."""
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.POSTFIELDS, body)
