"""`Idempotency-Key`: how a client marks two requests as one."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import ngettext
from rest_framework.request import Request

from luxewin.api.problems import InvalidInput, Problem

KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(Problem):
    """The key was used before with another body."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key already used"


class RequestInFlight(Problem):
    """The first request under this key has not finished yet; after `seconds` another may take it over."""

    code = "request_in_flight"
    title = "Request still in progress"

    def __init__(self, seconds: int) -> None:
        self.retry_after = seconds
        wait = ngettext("%d second", "%d seconds", seconds) % seconds
        super().__init__(f"Your first request with this key is still in progress. Repeat it in {wait}.")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The client's key and a digest of the request body."""

    value: str
    digest: bytes

    @classmethod
    def of(cls, request: Request, payload: dict[str, Any]) -> "IdempotencyKey":
        """Read the header; raise InvalidInput if it is missing or not 1 to 255 visible ASCII characters."""
        value = request.headers.get("Idempotency-Key", "")
        if not KEY.fullmatch(value):
            code = "invalid" if value else "required"
            raise InvalidInput.of("Idempotency-Key", code, "Send this header: 1 to 255 visible ASCII characters.")
        body = json.dumps(payload, sort_keys=True, default=str, separators=(",", ":"))
        return cls(value, hashlib.sha256(body.encode()).digest())
