"""The contract of the Novu stand-in: it answers as Novu's documentation says, in the forms that Novu's SDK reads."""

import threading
from collections.abc import Iterator
from uuid import uuid4

import httpx
import novu_py
import pytest

from dev.services.novu import MOST_EVENTS, Novu, handler
from dev.services.web import Server

WORKFLOW = {"workflowId": "w", "name": "W", "active": True, "steps": [{"name": "In-app", "type": "in_app"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server(0, handler(Novu(key="k")))
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


@pytest.fixture
def api(server) -> Iterator[httpx.Client]:
    """A client with the right key; each test begins with one workflow."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.server_port}", headers={"Authorization": "ApiKey k"}, timeout=10
    ) as client:
        client.post("/v2/workflows", json=WORKFLOW)
        yield client


def _event(**changes) -> dict:
    event = {"name": "w", "to": {"subscriberId": "ada"}, "payload": {}, "transactionId": uuid4().hex}
    return event | changes


def _told(api: httpx.Client, event: dict) -> int:
    return [each["transactionId"] for each in api.get("/state").json()["told"]].count(event["transactionId"])


def test_each_answer_is_of_the_form_that_the_sdk_reads(server):
    with novu_py.Novu(secret_key="k", server_url=f"http://127.0.0.1:{server.server_port}", retry_config=None) as novu:
        name = uuid4().hex
        made = novu.workflows.create(create_workflow_dto=WORKFLOW | {"workflowId": name})
        assert (made.result.workflow_id, made.result.status.value) == (name, "ACTIVE")
        page = novu.workflows.list(request={"limit": 100, "offset": 0}).result
        assert name in {each.workflow_id for each in page.workflows}
        event = {"workflow_id": name, "to": {"subscriber_id": "bob"}, "payload": {"text": "x"}}
        assert novu.trigger(trigger_event_request_dto=event).result.status.value == "processed"
        both = novu.trigger_bulk(bulk_trigger_event_dto={"events": [event, event | {"workflow_id": "none"}]}).result
        assert [each.status.value for each in both] == ["processed", "error"]
        assert novu.subscribers.delete(subscriber_id="bob").result.acknowledged
        with pytest.raises(novu_py.models.ErrorDto) as refusal:
            novu.subscribers.delete(subscriber_id="bob")
        assert refusal.value.status_code == 404


def test_a_transaction_tells_once(api):
    event = _event()
    for _ in range(2):
        answer = api.post("/v1/events/trigger", json=event)
        assert (answer.status_code, answer.json()["data"]["status"]) == (201, "processed")
    assert _told(api, event) == 1


@pytest.mark.parametrize(
    ("workflow", "status"),
    [({"active": False}, "trigger_not_active"), ({"steps": []}, "no_workflow_steps_defined")],
)
def test_a_trigger_that_tells_nobody_is_answered_201(workflow, status, api):
    name = uuid4().hex
    api.post("/v2/workflows", json=WORKFLOW | {"workflowId": name} | workflow)
    event = _event(name=name)
    answer = api.post("/v1/events/trigger", json=event)
    assert (answer.status_code, answer.json()["data"]["status"]) == (201, status)
    assert _told(api, event) == 0


def test_a_key_repeats_its_answer_and_refuses_another_body_and_length(api):
    headers, event = {"Idempotency-Key": uuid4().hex}, _event()
    first, second = (api.post("/v1/events/trigger", json=event, headers=headers) for _ in range(2))
    assert (second.json(), second.headers["Idempotency-Replay"]) == (first.json(), "true")
    assert api.post("/v1/events/trigger", json=_event(), headers=headers).status_code == 422
    assert api.post("/v1/events/trigger", json=event, headers={"Idempotency-Key": "k" * 256}).status_code == 400
    missing = _event(name=uuid4().hex)
    headers = {"Idempotency-Key": uuid4().hex}
    for _ in range(2):
        assert api.post("/v1/events/trigger", json=missing, headers=headers).status_code == 422
        # An error is repeated as well, although its cause is gone.
        api.post("/v2/workflows", json=WORKFLOW | {"workflowId": missing["name"]})


def test_more_than_a_hundred_events_are_refused_and_a_wrong_key_does_nothing(api):
    events = [_event() for _ in range(MOST_EVENTS + 1)]
    assert api.post("/v1/events/trigger/bulk", json={"events": events}).status_code == 400
    answer = api.post("/v1/events/trigger", json=events[0], headers={"Authorization": "ApiKey wrong"})
    assert (answer.status_code, _told(api, events[0])) == (401, 0)


@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [("unavailable", 503, None), ("rate_limited", 429, "7"), ("busy", 409, "1"), ("refused", 401, None)],
)
def test_a_fault_is_of_the_next_request_alone(fault, status, wait, api):
    api.post("/faults", json={"fault": fault})
    event = _event()
    answer = api.post("/v1/events/trigger", json=event)
    assert (answer.status_code, answer.headers.get("Retry-After"), _told(api, event)) == (status, wait, 0)
    assert api.post("/v1/events/trigger", json=event).status_code == 201


def test_a_lost_answer_is_of_a_trigger_that_told(api):
    api.post("/faults", json={"fault": "lost"})
    event = _event()
    with pytest.raises(httpx.RemoteProtocolError):
        api.post("/v1/events/trigger", json=event)
    assert _told(api, event) == 1
