"""Our workflows at Novu: one for each kind that goes there, compared with what Novu has, and created where missing."""

from typing import Any

from accounts.notification_types import MAILED_ONLY
from accounts.novu.client import create_workflow, list_workflows
from accounts.words import kinds

PREFIX = "luxewin-"


def workflow_of(kind: str) -> str:
    """Return the id of the workflow of this kind."""
    return PREFIX + kind.replace("_", "-")


def workflows() -> dict[str, dict[str, Any]]:
    """Return what we want at Novu, by id: an in-app message, to which the operator adds push, SMS or chat there.

    Not e-mail: mails are ours. People's preferences are ours too, so those at Novu are read-only.
    """
    return {workflow_of(kind): _workflow(kind) for kind in kinds() if kind not in MAILED_ONLY}


def compare() -> dict[str, str]:
    """Return what is wrong with our workflows at Novu, by id; empty if nothing is. Raise NovuFailed."""
    found = list_workflows()
    faults = {name: _fault(found.get(name)) for name in workflows()}
    return {name: fault for name, fault in faults.items() if fault}


MISSING = "missing"


def create_missing() -> list[str]:
    """Create the workflows that Novu does not have, and return their ids. Raise NovuFailed; some may be there then."""
    wanted = workflows()
    missing = [name for name, fault in compare().items() if fault == MISSING]
    for name in missing:
        create_workflow(wanted[name])
    return missing


def _fault(found: dict[str, Any] | None) -> str:
    if found is None:
        return MISSING
    if found["status"] != "ACTIVE":
        return {"INACTIVE": "inactive", "ERROR": "faulty"}.get(found["status"], found["status"])
    return "" if found["steps"] else "without steps"


def _workflow(kind: str) -> dict[str, Any]:
    everyone = {"enabled": True, "readOnly": True}
    return {
        "name": f"LuxeWin: {kind.replace('_', ' ')}",
        "workflowId": workflow_of(kind),
        "tags": ["luxewin"],
        "active": True,
        "steps": [
            {
                "name": "In-app",
                "type": "in_app",
                "controlValues": {"subject": "{{payload.subject}}", "body": "{{payload.text}}"},
            }
        ],
        "preferences": {"user": {"all": everyone, "channels": {}}},
    }
