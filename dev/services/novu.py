"""The Novu stand-in: the part of Novu's API that the product uses, as Novu's documentation has it; it tells nobody.

Events are triggered one by one or up to 100 at once, each `transactionId` once. An `Idempotency-Key` repeats its
answer, errors included, and refuses another body (422). A trigger is answered 201 whatever becomes of it: only the
`status` says. Run alone: `python -m dev.services.novu --port 8090`; without a key it takes every key.

Beside Novu's own: `GET /state` says who was told what; `POST /faults` takes `{"fault": NAME, "times": N}` for the
next N requests: `unavailable` (503), `rate_limited` (429 with Retry-After: 7), `refused` (401), `lost` (done, but the
connection closes without an answer), `busy` (409 with Retry-After: 1, as for a key whose first request is in flight),
`strange` (an answer that is not Novu's).
"""

import argparse
import hashlib
import http
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dev.services.web import Answers, Server

MOST_EVENTS = 100
LONGEST_KEY = 255
WHEN = "2026-12-01T00:00:00.000Z"
FAULTS = {
    "unavailable": (503, {"statusCode": 503, "message": "Service Unavailable"}, {}),
    "rate_limited": (429, {"statusCode": 429, "message": "API rate limit exceeded"}, {"Retry-After": "7"}),
    "refused": (401, {"statusCode": 401, "message": "Unauthorized", "path": "/", "timestamp": WHEN}, {}),
    "busy": (409, {"statusCode": 409, "message": "is currently being processed", "path": "/", "timestamp": WHEN},
             {"Retry-After": "1"}),
    "strange": (201, "<html>a captive portal</html>", {}),
}  # fmt: skip


@dataclass
class Novu:
    """What a Novu environment holds. One lock: requests are handled one after the other."""

    key: str = ""
    #: By workflowId.
    workflows: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: By subscriberId.
    subscribers: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Events that told somebody, each once.
    told: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    #: By idempotency key: the digest of the body, and the answer.
    answered: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trigger(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return what `POST /v1/events/trigger` answers."""
        transaction = event.get("transactionId") or hashlib.sha256(json.dumps(event).encode()).hexdigest()[:24]
        workflow = self.workflows.get(event["name"])
        if workflow is None:
            return 422, {
                "statusCode": 422,
                "message": "workflow_not_found",
                "path": "/",
                "timestamp": WHEN,
                "errors": {},
            }
        said = {"acknowledged": True, "status": "processed", "transactionId": transaction}
        if not workflow["active"]:
            return 201, said | {"status": "trigger_not_active"}
        if not workflow["steps"]:
            return 201, said | {"status": "no_workflow_steps_defined"}
        to = event["to"] if isinstance(event["to"], dict) else {"subscriberId": event["to"]}
        if not to.get("subscriberId"):
            return 201, said | {"status": "invalid_recipients", "error": ["subscriberId is missing"]}
        self.subscribers.setdefault(to["subscriberId"], {}).update(to)
        if transaction not in {each["transactionId"] for each in self.told}:
            self.told.append(event | {"transactionId": transaction})
        return 201, said

    def trigger_all(self, events: list[dict[str, Any]]) -> tuple[int, Any]:
        """Return what `POST /v1/events/trigger/bulk` answers: a result for each, errors too."""
        if not 0 < len(events) <= MOST_EVENTS:
            return 400, {"statusCode": 400, "message": f"events must contain no more than {MOST_EVENTS} elements",
                         "path": "/", "timestamp": WHEN}  # fmt: skip
        results = []
        for event in events:
            status, said = self.trigger(event)
            refused = {"acknowledged": True, "status": "error", "error": [said.get("message")],
                       "transactionId": event.get("transactionId")}  # fmt: skip
            results.append(said if status == http.HTTPStatus.CREATED else refused)
        return 201, results

    def create(self, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return what `POST /v2/workflows` answers."""
        name = wanted["workflowId"]
        if name in self.workflows:
            return 409, {"statusCode": 409, "message": "Workflow already exists", "path": "/", "timestamp": WHEN}
        made = {"name": wanted["name"], "workflowId": name, "active": wanted.get("active", False)}
        made |= {"steps": wanted["steps"], "tags": wanted.get("tags", []), "preferences": wanted.get("preferences")}
        self.workflows[name] = made
        return 201, _shown(made) | {
            "preferences": {"user": None, "default": _channels((wanted.get("preferences") or {}).get("user") or {})},
            "severity": "none",
            "active": made["active"],
        }

    def listed(self, limit: int, offset: int) -> dict[str, Any]:
        """Return what `GET /v2/workflows` answers, in `data`."""
        rows = list(self.workflows.values())
        return {"workflows": [_shown(row) for row in rows[offset : offset + limit]], "totalCount": len(rows)}


def _channels(user: dict[str, Any]) -> dict[str, Any]:
    every = {"enabled": True} | (user.get("all") or {})
    names = ("email", "sms", "in_app", "push", "chat")
    return {"all": every, "channels": {name: {"enabled": True} for name in names}}


def _shown(workflow: dict[str, Any]) -> dict[str, Any]:
    steps = workflow["steps"]
    return {
        "name": workflow["name"],
        "_id": hashlib.sha256(workflow["workflowId"].encode()).hexdigest()[:24],
        "workflowId": workflow["workflowId"],
        "slug": workflow["workflowId"],
        "updatedAt": WHEN,
        "createdAt": WHEN,
        "tags": workflow["tags"],
        "origin": "novu-cloud",
        "status": "ACTIVE" if workflow["active"] else "INACTIVE",
        "stepTypeOverviews": [step["type"] for step in steps],
        "steps": [],
    }


class Requests(Answers):
    """Answers for one Novu."""

    novu: Novu

    def do_GET(self) -> None:  # noqa: N802 (its name there)
        if self.path == "/state":
            facts = {"subscribers": self.novu.subscribers, "told": self.novu.told, "workflows": self.novu.workflows}
            self.answer(200, facts | {"told_twice": _twice(self.novu.told), "requests": self.novu.requests})
            return
        with self._allowed() as is_allowed:
            path, _, query = self.path.partition("?")
            if is_allowed and path == "/v2/workflows":
                asked = dict(re.findall(r"(\w+)=(\d+)", query))
                found = self.novu.listed(int(asked.get("limit", 50)), int(asked.get("offset", 0)))
                self.answer(200, {"data": found})
            elif is_allowed:
                self.answer(404, {"statusCode": 404, "message": "Not Found", "path": path, "timestamp": WHEN})

    def do_DELETE(self) -> None:  # noqa: N802 (its name there)
        with self._allowed() as is_allowed:
            if not is_allowed:
                return
            found = re.fullmatch(r"/v2/subscribers/([^/?]+)", self.path)
            if found and self.novu.subscribers.pop(found[1], None) is not None:
                self.answer(200, {"data": {"acknowledged": True, "status": "deleted"}})
            else:
                said = {"statusCode": 404, "message": "Subscriber was not found", "path": self.path}
                self.answer(404, said | {"timestamp": WHEN})

    def do_POST(self) -> None:  # noqa: N802 (its name there)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/faults":
            asked = json.loads(body)
            self.novu.faults += [asked["fault"]] * asked.get("times", 1)
            self.answer(200, self.novu.faults)
            return
        with self._allowed() as is_allowed:
            if is_allowed:
                self._do_once(body)

    def _do_once(self, body: bytes) -> None:
        """Answer, and answer the same again for the same idempotency key."""
        key, digest = self.headers.get("Idempotency-Key") or "", hashlib.sha256(body).hexdigest()
        if len(key) > LONGEST_KEY:
            self._refuse(400, f'idempotencyKey "{key}" has exceeded the maximum allowed length of 255 characters')
        elif key in self.novu.answered and self.novu.answered[key][0] != digest:
            self._refuse(422, f'Request with key "{key}" is being reused for a different body')
        elif key in self.novu.answered:
            self._reply(*self.novu.answered[key][1:], {"Idempotency-Key": key, "Idempotency-Replay": "true"})
        else:
            status, said = self._done(json.loads(body))
            if key:
                self.novu.answered[key] = digest, status, said
            self._reply(status, said, {"Idempotency-Key": key} if key else {})

    def _done(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        if self.path == "/v1/events/trigger":
            status, said = self.novu.trigger(wanted)
        elif self.path == "/v1/events/trigger/bulk":
            status, said = self.novu.trigger_all(wanted["events"])
        elif self.path == "/v2/workflows":
            status, said = self.novu.create(wanted)
        else:
            return 404, {"statusCode": 404, "message": "Not Found", "path": self.path, "timestamp": WHEN}
        return status, {"data": said} if status < 300 else said

    def _refuse(self, status: int, message: str) -> None:
        self._reply(status, {"statusCode": status, "message": message, "path": "/", "timestamp": WHEN, "errors": {}})

    def _reply(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        if self._is_lost:
            self.close_connection = True
            return
        content = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @contextmanager
    def _allowed(self) -> Iterator[bool]:
        """Hold the lock; the value is whether to go on, which a wrong key and a fault keep it from."""
        with self.novu.lock:
            self.novu.requests.append((self.command, self.path))
            fault = self.novu.faults.pop(0) if self.novu.faults else ""
            self._is_lost = fault == "lost"
            given = self.headers.get("Authorization") or ""
            if not given.startswith("ApiKey ") or (self.novu.key and given != f"ApiKey {self.novu.key}"):
                self._reply(*FAULTS["refused"])
                yield False
            elif fault in FAULTS:
                self._reply(*FAULTS[fault])
                yield False
            else:
                yield True


def handler(novu: Novu) -> type[Requests]:
    return type("RequestsOfOne", (Requests,), {"novu": novu})


def _twice(told: list[dict[str, Any]]) -> list[str]:
    return [key for key, times in Counter(each["transactionId"] for each in told).items() if times > 1]


def main() -> None:
    parser = argparse.ArgumentParser(description="a stand-in for Novu that tells nobody")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="", help="the secret key that it takes; without it, any")
    options = parser.parse_args()
    Server(options.port, handler(Novu(options.key))).serve_forever()


if __name__ == "__main__":
    main()
