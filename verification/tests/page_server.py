"""A server of one draw's page without the product: the page's own template and scripts, over files that a test makes.

Every answer is in `answers` by its path, and a test may replace it: so the server can lie, be busy or break off.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils.csp import build_policy

from verification import pages
from verification.timeline import Moment

from .servers import answer, serving
from .verifier_draws import Draw, seconds

TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".csv": "text/csv"}
PATHS = ("/api/bundle", "/api/entries.csv", "/api/log")


@dataclass
class Answer:
    """An answer to a GET. With `cut`, the connection breaks off after so many bytes of the body."""

    body: bytes
    content_type: str
    status: int = 200
    cut: int | None = None


class PageServer:
    """Serves while it is entered. `requests` are the paths asked for."""

    def __init__(self, draw: Draw, **changed: Any) -> None:
        self.draw = draw
        self.requests: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.serve_files(*draw.files)
        self.answers["/verify"] = Answer(page_of(draw, **changed).encode(), "text/html; charset=utf-8")

    def serve_files(self, bundle: bytes, entries: bytes, log: bytes) -> None:
        kinds = ("application/json", "text/csv", "text/csv")
        for path, body, kind in zip(PATHS, (bundle, entries, log), kinds, strict=True):
            self.answers[path] = Answer(body, kind)

    def __enter__(self) -> Self:
        self._serving = serving(self.serve)
        self.origin = self._serving.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"{self.origin}/verify"

    def answer(self, path: str) -> Answer:
        self.requests.append(path)
        if path in self.answers:
            return self.answers[path]
        file = finders.find(path.removeprefix("/static/")) if path.startswith("/static/") else None
        if not file:
            return Answer(b"", "text/plain", 404)
        return Answer(Path(file).read_bytes(), TYPES[Path(file).suffix])

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        found = self.answer(request.path)
        headers = {"Content-Type": found.content_type, "Cache-Control": "no-cache"}
        headers["Content-Security-Policy"] = build_policy(pages.CHECK_POLICY)
        answer(request, found.body, found.status, headers, found.cut)


def page_of(draw: Draw, *, state: str = "Drawn", start: str = "now", explorer: str = "", now: str = "") -> str:
    """The page's HTML, as the product renders it for such a draw."""
    bundle, promise = draw.bundle, draw.manifest
    round_at = datetime.fromtimestamp(draw.drawn_at, UTC) if bundle["beacon"]["round"] else None
    is_drawn = bundle["seed"] is not None
    moments = [Moment("Promised", "Every term below was fixed and published.", at_of(promise["opens_at"]))]
    facts = {
        "root": bundle["entries"]["root"],
        "tickets": bundle["entries"]["tickets"],
        "entries": bundle["entries"]["count"],
        "sequence": promise["sequence"],
        "raffle_id": bundle["raffle"],
        "manifest": bundle["manifest"],
        "manifest_hash": bundle["manifest_hash"],
        "void_after": promise["void_after_seconds"],
        **{name: bundle["beacon"][name] or "" for name in ("round", "signature", "randomness")},
        "seed": bundle["seed"] or "",
    }
    context = {
        "draw": SimpleNamespace(**facts),
        "promise": promise,
        "price": "5.00 EUR",
        "opens_at": at_of(promise["opens_at"]),
        "closes_at": at_of(promise["closes_at"]),
        "manifest_pretty": json.dumps(promise, indent=2, ensure_ascii=False),
        "timeline": SimpleNamespace(label=state, waits_for=now, moments=moments, round_at=round_at),
        "beacon": promise["beacon"] | {"is_quicknet": promise["beacon"]["period"] == 3, "url": ""},
        "picks": [shown_pick(pick, promise) for pick in bundle["picks"]],
        "chain": None,
        "check": {
            **dict(zip(("bundle", "entries_url", "log"), PATHS, strict=True)),
            "is_drawn": is_drawn,
            "has_entries": True,
            "start": start,
            "megabytes": 0.1,
            "explorer": explorer,
        },
        "modules": pages.MODULES,
    }
    return render_to_string("verification/draw.html", context)


def at_of(text: str) -> datetime:
    return datetime.fromtimestamp(seconds(text), UTC)


def shown_pick(pick: dict[str, Any], promise: dict[str, Any]) -> dict[str, Any]:
    """What the product's page shows of a pick."""
    prize = promise["prizes"][pick["prize"] - 1]["name"] if pick["prize"] else None
    return pick | {"prize": prize, "name": "A. B." if prize else None, "outcome": "open"}
