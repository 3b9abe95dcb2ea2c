"""The current request, which events and answers refer to."""

import contextvars
from dataclasses import dataclass

DEFAULT_API_VERSION = "2025-09-30.clover"


@dataclass(frozen=True)
class Asked:
    """The current request."""

    request_id: str
    idempotency_key: str | None = None
    api_version: str = DEFAULT_API_VERSION


asked: contextvars.ContextVar[Asked | None] = contextvars.ContextVar("asked", default=None)
