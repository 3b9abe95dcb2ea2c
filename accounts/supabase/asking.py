"""Requests to the project's Auth server: by HTTP, bounded in time and size, and to no other host."""

import json
from time import monotonic
from typing import Any

import httpx
from django.conf import settings

from luxewin.api.problems import Unavailable
from luxewin.api.slots import NoSlot, Slots
from luxewin.tls import trusted

# Seconds to connect, for each read and for the whole body; bytes of an answer.
PATIENCE, LARGEST = 2.0, 262_144
SLOTS = Slots(16)


class SupabaseAway(Unavailable):
    """Supabase Auth does not answer, or not as it should (503)."""

    code = "supabase_unavailable"


def issuer() -> str:
    """Return the URL of the project's Auth server, which is also the issuer in its tokens."""
    return f"{settings.SUPABASE_URL}/auth/v1"


def ask(path: str, *, token: str = "") -> tuple[int, Any]:
    """Return the status and the JSON at a path of the server; send the token if there is one.

    Redirects are not followed but returned like any answer. Raise SupabaseAway for a server that is away, slow, sends
    too much or no JSON, and for its own errors (429, 5xx). Cost: one request; call it outside transactions.
    """
    headers = {"Accept-Encoding": "identity", "apikey": settings.SUPABASE_PUBLISHABLE_KEY}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with (
            SLOTS.take(),
            httpx.stream("GET", f"{issuer()}/{path}", headers=headers, timeout=PATIENCE, verify=trusted()) as answer,
        ):
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                raise SupabaseAway(f"Supabase answers {answer.status_code}. Try again.")
            return answer.status_code, json.loads(_read(answer))
    except (httpx.HTTPError, NoSlot, ValueError, RecursionError) as error:
        raise SupabaseAway("Supabase does not answer as it should. Try again.") from error


def _read(answer: httpx.Response) -> bytes:
    deadline, body = monotonic() + PATIENCE, bytearray()
    for part in answer.iter_raw():
        body += part
        if len(body) > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        if monotonic() > deadline:
            raise ValueError(f"not through after {PATIENCE} s")
    return bytes(body)
