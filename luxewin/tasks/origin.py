"""A task is logged, and audited, under the id of the request that enqueued it."""

from typing import Any

from django_q.signals import post_execute_in_worker, pre_enqueue, pre_execute

from luxewin.api.requests import RequestContext, current_request, enter_request


def connect() -> None:
    """Carry the id from the request through the queue to the worker."""
    pre_enqueue.connect(_note, dispatch_uid="luxewin.tasks")
    pre_execute.connect(_enter, dispatch_uid="luxewin.tasks")
    post_execute_in_worker.connect(_leave, dispatch_uid="luxewin.tasks")


def _note(task: dict[str, Any], **_: Any) -> None:
    task["request_id"] = current_request().request_id


def _enter(task: dict[str, Any], **_: Any) -> None:
    enter_request(RequestContext(task.get("request_id", "")))


def _leave(**_: Any) -> None:
    enter_request(RequestContext())
