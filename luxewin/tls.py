"""Certificates of outside parties."""

import os
import ssl
from functools import cache

import certifi
import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificate authorities to trust, for every HTTP client of the process.

    Cost: up to 60 ms of CPU the first time, nothing then; a client that makes its own pays it with each request.
    """
    return httpx.create_ssl_context()


def ca_file() -> str:
    """Return the file of the same authorities, for libcurl: SSL_CERT_FILE if it is set."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
