"""How the project's Auth server is asked: by HTTP, within bounds of time and size, and never anybody else."""

import json
from time import monotonic
from typing import Any

import httpx
from django.conf import settings

from luxewin.api.problems import Unavailable
from luxewin.api.slots import NoSlot, Slots
from luxewin.tls import trusted

# Seconds to connect, for each wait and for the whole body; bytes of an answer.
PATIENCE, LARGEST = 2.0, 262_144
SLOTS = Slots(16)


class SupabaseAway(Unavailable):
    """Supabase Auth does not answer, or not as it should (503)."""

    code = "supabase_unavailable"


def issuer() -> str:
    """Where the project's Auth server is reached, which is also what its tokens name as their issuer."""
    return f"{settings.SUPABASE_URL}/auth/v1"


def ask(path: str, *, token: str = "") -> tuple[int, Any]:
    """The status and the JSON at a path of the server, which sees the token if there is one.

    A redirect is an answer like any other and not followed. Raises SupabaseAway for a server that is away, slow, wordy
    or does not speak JSON, and for its own trouble (429, 5xx). Cost: one request; call it outside transactions.
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
